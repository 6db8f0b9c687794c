package script

import (
	"errors"
	"io"
	"syscall"

	"github.com/shiplock/shiplock/internal/sqlfile"
)

// An Opener opens a file. It may be called more than once.
type Opener func() (io.ReadCloser, error)

// WithFile opens a file, calls read and closes it.
func WithFile(name string, open Opener, read func(io.Reader) error) error {
	from, err := open()
	if err != nil {
		return fileError(name, err)
	}
	err = read(from)
	if closed := from.Close(); err == nil && closed != nil {
		return fileError(name, closed)
	}
	return err
}

// fileError converts an error to a *ScriptError with the file name.
func fileError(name string, err error) error {
	var (
		unusable *ScriptError
		system   syscall.Errno
		stopped  *sqlfile.InterruptedError
	)
	if errors.As(err, &system) || errors.As(err, &stopped) {
		return err // an error of the file system, not of the content
	}
	if !errors.As(err, &unusable) {
		return &ScriptError{File: name, Problem: err.Error()}
	}
	unusable.File = name
	return unusable
}
