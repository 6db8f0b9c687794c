package install_test

import (
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/shiplock/shiplock/internal/cli/install"
)

func TestProblem_ErrorOfVolume_NamesNextStep(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]string{
		syscall.EROFS: "mount the volume writable here", syscall.ENOSPC: "increase the size of the volume", syscall.EACCES: "fsGroup",
	} {
		assert.Contains(t, install.Problem(t.TempDir(), &os.PathError{Op: "open", Path: "x", Err: err}), want)
	}
}
