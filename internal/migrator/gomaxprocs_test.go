package migrator

import (
	"context"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestLimitToOneCPU_DedicatedProcess_SetsGOMAXPROCS is not parallel, because GOMAXPROCS belongs to the process.
func TestLimitToOneCPU_DedicatedProcess_SetsGOMAXPROCS(t *testing.T) {
	before := runtime.GOMAXPROCS(3)
	t.Cleanup(func() { runtime.GOMAXPROCS(before) })
	limitToOneCPU(t.Context())()
	restore := limitToOneCPU(t.Context())
	assert.Equal(t, 3, runtime.GOMAXPROCS(0), "the process is not dedicated to the run")
	restore()

	ctx, cancel := context.WithCancel(WithDedicatedProcess(t.Context()))
	defer cancel()
	restore = limitToOneCPU(ctx)
	assert.Equal(t, 1, runtime.GOMAXPROCS(0))
	restore()
	assert.Equal(t, 3, runtime.GOMAXPROCS(0))
}
