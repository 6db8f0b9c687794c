package source

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// An UnreadableError reports a migrations directory or file that cannot be opened or read.
type UnreadableError struct {
	Path      string
	Directory bool // the path is the migrations directory
	Access    string
	Err       error
}

func (e *UnreadableError) Error() string {
	what := "migration"
	if e.Directory {
		what = "migrations directory"
	}
	return fmt.Sprintf("cannot read %s %s: %v", what, e.Path, e.Err)
}

func (e *UnreadableError) Unwrap() error { return e.Err }

// newUnreadableError returns the error for a path. It omits the path of a file system error,
// and explains in Access why permission was denied.
func newUnreadableError(path string, dir bool, err error) error {
	var at *fs.PathError
	if errors.As(err, &at) {
		err = at.Err
	}
	e := &UnreadableError{Path: path, Directory: dir, Err: err}
	if errors.Is(err, fs.ErrPermission) {
		e.Access = describeAccess(path)
	}
	return e
}

// describeAccess compares the user of this process with the owner and mode of a path.
func describeAccess(path string) string {
	user := fmt.Sprintf("this process runs as user %d, group %d", os.Geteuid(), os.Getegid())
	info, err := os.Stat(path)
	if err != nil {
		return user + ", and cannot search the parent directory"
	}
	return fmt.Sprintf("%s; the mode is %s%s", user, info.Mode(), ownerOf(info))
}
