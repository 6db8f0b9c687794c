// Package install copies the running program into a directory. An init container does so, and
// another container of the pod runs the copy. The command install of package cli calls Program;
// Problem describes why it failed.
package install

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/shiplock/shiplock/internal/config"
)

// fileName is the file name of the installed program.
const fileName = "migrator"

// Program copies the running program into dir and returns the path of the copy.
func Program(dir string) (path string, err error) {
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("path of this program: %w", err)
	}
	path = filepath.Join(dir, fileName)
	if err := replace(self, path); err != nil {
		return "", &config.UsageError{Problem: Problem(dir, err)}
	}
	return path, nil
}

// replace writes a temporary file in the target's directory and renames it, so that the
// target is always either the old file or the new one.
func replace(from, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.CreateTemp(filepath.Dir(to), "."+fileName+"-")
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

// Problem describes why the program could not be copied into dir, and how to fix it.
func Problem(dir string, err error) string {
	var next string
	switch info, statErr := os.Stat(dir); {
	case errors.Is(statErr, fs.ErrNotExist):
		return fmt.Sprintf("install: directory %s does not exist; create it, or mount a volume there (in Kubernetes, an emptyDir)", dir)
	case statErr == nil && !info.IsDir():
		return fmt.Sprintf("install: %s is a file; want a directory", dir)
	case errors.Is(err, syscall.EROFS):
		next = "mount the volume writable here; only the container of the external tool may mount it read-only"
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		next = "increase the size of the volume (in Kubernetes, its sizeLimit): the program takes about 20 MB"
	case errors.Is(err, fs.ErrPermission):
		next = fmt.Sprintf("grant user %d write access to the directory (in Kubernetes, set fsGroup in the pod's securityContext)", os.Getuid())
	default:
		next = "check the directory and its contents"
	}
	return fmt.Sprintf("install: %v; %s", err, next)
}
