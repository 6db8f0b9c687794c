package config

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"

	"github.com/lib/pq"
)

// fileLag is how long after a password rotation the file may be updated: an agent first
// changes the password in the server and then writes the file.
const fileLag = 2 * time.Second

// readSecret reads a file that contains one secret and nothing else.
func readSecret(file, from string) (string, error) {
	text, err := readLimited(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", &SecretError{From: from, Problem: "does not exist", Absent: true,
			Next: "mount the file, or correct the path; the migrator waits for a file that is written while the pod starts (--wait-for-db)"}
	case err != nil:
		var path *fs.PathError
		if errors.As(err, &path) {
			err = path.Err
		}
		return "", &SecretError{From: from, Problem: err.Error(), Next: "make the file readable for the migrator's user; in Kubernetes, set the volume's defaultMode and fsGroup"}
	}
	s, err := secretOf(text, from, "contains")
	var e *SecretError
	if errors.As(err, &e) {
		e.Next = "write only the secret to the file, on one line"
	}
	return s, err
}

// pipeWait is how long to wait for the data of a named pipe.
const pipeWait = 5 * time.Second

// openFile opens a file that may be a named pipe. Opening one without a writer would block
// indefinitely, and no signal would interrupt it.
func openFile(file string) (*os.File, error) {
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
	f, err := openFile(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxSecret+1))
}

// A passwordFile is a file that contains only the password.
type passwordFile struct{ path string }

func (f passwordFile) login(context.Context) (login, error) {
	s, err := readSecret(f.path, "password file "+f.path)
	return login{password: s}, err
}

func (passwordFile) maxLag() time.Duration  { return fileLag }
func (passwordFile) retriesUnchanged() bool { return false }

// A urlFile is a file that contains only a connection URL. If the URL changes during a run,
// only the new user and password are used.
type urlFile struct{ path string }

func (f urlFile) read() (string, error) {
	s, err := readSecret(f.path, "database URL file "+f.path)
	return s, err
}

func (f urlFile) login(context.Context) (login, error) {
	s, err := f.read()
	if err != nil {
		return login{}, err
	}
	d, err := ParseDSN(s)
	if err != nil {
		return login{}, &SecretError{From: "database URL file " + f.path, Problem: err.Error(), Next: "write only the URL to the file, on one line"}
	}
	return login{user: d.cfg.User, password: d.cfg.Password}, nil
}

func (urlFile) maxLag() time.Duration  { return fileLag }
func (urlFile) retriesUnchanged() bool { return false }

// A passFile is a password file of libpq; see passwordFrom.
type passFile struct{ cfg pq.Config }

func (f passFile) login(context.Context) (login, error) {
	s, err := passwordFrom(f.cfg.Passfile, f.cfg)
	if err != nil {
		return login{}, &SecretError{From: "password file " + f.cfg.Passfile, Problem: err.Error(), Absent: errors.Is(err, fs.ErrNotExist),
			Next: "mount the file, or correct the path (PGPASSFILE)"}
	}
	return login{password: s}, nil
}

func (passFile) maxLag() time.Duration  { return fileLag }
func (passFile) retriesUnchanged() bool { return false }
