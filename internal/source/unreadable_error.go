package source

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// UnreadableError is a folder or a file of migrations that cannot be opened or read.
type UnreadableError struct {
	Path   string
	Folder bool // it is the folder of the migrations
	Access string
	Err    error
}

func (e *UnreadableError) Error() string {
	what := "migration"
	if e.Folder {
		what = "migrations folder"
	}
	return fmt.Sprintf("cannot read %s %s: %v", what, e.Path, e.Err)
}

func (e *UnreadableError) Unwrap() error { return e.Err }

// newUnreadableError is the error for a path; one of the file system names its own path,
// which is left out. Access says why permission was denied.
func newUnreadableError(path string, folder bool, err error) error {
	var at *fs.PathError
	if errors.As(err, &at) {
		err = at.Err
	}
	e := &UnreadableError{Path: path, Folder: folder, Err: err}
	if errors.Is(err, fs.ErrPermission) {
		e.Access = describeAccess(path)
	}
	return e
}

// describeAccess compares this process's user with a path's owner and mode.
func describeAccess(path string) string {
	us := fmt.Sprintf("this process runs as user %d, group %d", os.Geteuid(), os.Getegid())
	info, err := os.Stat(path)
	if err != nil {
		return us + ", and may not look into the folder above it"
	}
	return fmt.Sprintf("%s; the mode is %s%s", us, info.Mode(), ownerOf(info))
}
