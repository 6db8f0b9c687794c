package credentials

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"
)

// FileLag is how long after a password rotation the file may be updated: an agent first
// changes the password in the server and then writes the file.
const FileLag = 2 * time.Second

// ReadFile reads a file that contains one secret and nothing else. from describes it in errors.
func ReadFile(file, from string) (string, error) {
	text, err := readLimited(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", &Error{From: from, Problem: "does not exist", Absent: true, Awaited: true, Next: "mount the file, or correct the path"}
	case err != nil:
		var path *fs.PathError
		if errors.As(err, &path) {
			err = path.Err
		}
		return "", &Error{From: from, Problem: err.Error(), Next: "make the file readable for the migrator's user; in Kubernetes, set the volume's defaultMode and fsGroup"}
	}
	s, err := secretOf(text, from, "contains")
	var e *Error
	if errors.As(err, &e) {
		e.Next = "write only the secret to the file, on one line"
	}
	return s, err
}

// pipeWait is how long to wait for the data of a named pipe.
const pipeWait = 5 * time.Second

// OpenFile opens a file that may be a named pipe. Opening one without a writer would block
// indefinitely, and no signal would interrupt it.
func OpenFile(file string) (*os.File, error) {
	f, err := os.OpenFile(file, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	if err := f.SetReadDeadline(time.Now().Add(pipeWait)); err != nil && !errors.Is(err, os.ErrNoDeadline) {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func readLimited(file string) ([]byte, error) {
	f, err := OpenFile(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxSecret+1))
}

// A PasswordFile is the path of a file that contains only the password.
type PasswordFile string

// Login is part of Source.
func (f PasswordFile) Login(context.Context) (Login, error) {
	s, err := ReadFile(string(f), "password file "+string(f))
	return Login{Password: s}, err
}

// MaxLag is part of Source.
func (PasswordFile) MaxLag() time.Duration { return FileLag }

// RetriesUnchanged is part of Source.
func (PasswordFile) RetriesUnchanged() bool { return false }
