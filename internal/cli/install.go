package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/shiplock/shiplock/internal/config"
)

// installedName is the program's name wherever it is installed.
const installedName = "migrator"

func (a *app) install() *cobra.Command {
	return &cobra.Command{
		Use:   "install DIR",
		Short: "Copy this program into a folder",
		Long: `install copies the program, which is one static file, to DIR/migrator: from an init container into a
volume, so that another image, unchanged, can run "DIR/migrator exec -- COMMAND". The file appears
whole or not at all, and one that is there already is replaced.`,
		Example: `  migrator install /shiplock`,
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			self, err := os.Executable()
			if err != nil {
				return fmt.Errorf("where this program is: %w", err)
			}
			to := filepath.Join(args[0], installedName)
			if err := copyProgram(self, to); err != nil {
				return &config.UsageError{Problem: installProblem(args[0], err)}
			}
			_, err = fmt.Fprintln(a.stdout, to)
			return err
		},
	}
}

// copyProgram writes a file beside the target and renames it: whoever starts the
// target meanwhile gets the old one or the new one.
func copyProgram(from, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.CreateTemp(filepath.Dir(to), "."+installedName+"-")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(out.Name()))
		}
	}()
	if _, err = io.Copy(out, in); err == nil {
		err = out.Chmod(0o755)
	}
	if err = errors.Join(err, out.Close()); err != nil {
		return err
	}
	return os.Rename(out.Name(), to)
}

func installProblem(dir string, err error) string {
	var next string
	switch info, statErr := os.Stat(dir); {
	case errors.Is(statErr, fs.ErrNotExist):
		return fmt.Sprintf("install: the folder %s does not exist; create it, or mount a volume there (in Kubernetes an emptyDir)", dir)
	case statErr == nil && !info.IsDir():
		return fmt.Sprintf("install: %s is a file; want a folder", dir)
	case errors.Is(err, syscall.EROFS):
		next = "mount it writable here; only the tool's own container may have it read-only"
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		next = "the program takes about 20 MB; give the volume more room (in Kubernetes its sizeLimit)"
	case errors.Is(err, fs.ErrPermission):
		next = fmt.Sprintf("let user %d write there (in Kubernetes: fsGroup in the pod's securityContext)", os.Getuid())
	default:
		next = "look at the folder and what is in it"
	}
	return fmt.Sprintf("install: %v; %s", err, next)
}
