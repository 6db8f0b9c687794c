package migrator

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestLimitToOneCPU_DedicatedProcess_SetsGOMAXPROCS is not parallel, because GOMAXPROCS belongs to the process.
func TestLimitToOneCPU_DedicatedProcess_SetsGOMAXPROCS(t *testing.T) {
	before := runtime.GOMAXPROCS(3)
	t.Cleanup(func() { runtime.GOMAXPROCS(before) })
	limitToOneCPU(false)()
	restore := limitToOneCPU(false)
	assert.Equal(t, 3, runtime.GOMAXPROCS(0), "the process is not dedicated to the run")
	restore()

	restore = limitToOneCPU(true)
	assert.Equal(t, 1, runtime.GOMAXPROCS(0))
	restore()
	assert.Equal(t, 3, runtime.GOMAXPROCS(0))
}
