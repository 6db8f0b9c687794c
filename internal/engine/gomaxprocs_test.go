package engine

import (
	"context"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestAProcessOfItsOwn is not parallel: what it looks at is the process's.
func TestAProcessOfItsOwn(t *testing.T) {
	before := runtime.GOMAXPROCS(3)
	t.Cleanup(func() { runtime.GOMAXPROCS(before) })
	limitToOneCPU(t.Context())()
	restore := limitToOneCPU(t.Context())
	assert.Equal(t, 3, runtime.GOMAXPROCS(0), "nobody has said that the process is the run's")
	restore()

	ctx, cancel := context.WithCancel(WithDedicatedProcess(t.Context()))
	defer cancel()
	restore = limitToOneCPU(ctx)
	assert.Equal(t, 1, runtime.GOMAXPROCS(0))
	restore()
	assert.Equal(t, 3, runtime.GOMAXPROCS(0))
}
