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

// fileLag is how long a rotated file may come after the server's new password: an
// agent does the one and then the other.
const fileLag = 2 * time.Second

// readSecret reads a file that holds one secret and nothing else.
func readSecret(file, from string) (string, error) {
	text, err := readLimited(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", &SecretError{From: from, Problem: "is not there", Absent: true,
			Next: "mount it there, or correct the path; a file that is written while the pod starts is waited for (--wait-for-db)"}
	case err != nil:
		var path *fs.PathError
		if errors.As(err, &path) {
			err = path.Err
		}
		return "", &SecretError{From: from, Problem: err.Error(), Next: "let the migrator's user read it; in Kubernetes a volume's defaultMode and fsGroup decide that"}
	}
	s, err := secretOf(text, from, "holds")
	var e *SecretError
	if errors.As(err, &e) {
		e.Next = "write the secret alone into the file, on one line"
	}
	return s, err
}

// pipeWait is how long what a named pipe delivers is waited for.
const pipeWait = 5 * time.Second

// openFile opens a file that may be a named pipe: the open of one without a writer
// blocks without end, and no signal interrupts it.
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

// passwordFile is a file with the password alone.
type passwordFile struct{ path string }

func (f passwordFile) login(context.Context) (login, error) {
	s, err := readSecret(f.path, "password file "+f.path)
	return login{password: s}, err
}

func (passwordFile) maxLag() time.Duration  { return fileLag }
func (passwordFile) retriesUnchanged() bool { return false }

// urlFile is a file with a connection URL alone. Of a URL that has changed during a
// run the user and the password count; where the run goes was settled at its start.
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
		return login{}, &SecretError{From: "database URL file " + f.path, Problem: err.Error(), Next: "write the URL alone into the file, on one line"}
	}
	return login{user: d.cfg.User, password: d.cfg.Password}, nil
}

func (urlFile) maxLag() time.Duration  { return fileLag }
func (urlFile) retriesUnchanged() bool { return false }

// passFile is a file of libpq's form; see passwordFrom.
type passFile struct{ cfg pq.Config }

func (f passFile) login(context.Context) (login, error) {
	s, err := passwordFrom(f.cfg.Passfile, f.cfg)
	if err != nil {
		return login{}, &SecretError{From: "password file " + f.cfg.Passfile, Problem: err.Error(), Absent: errors.Is(err, fs.ErrNotExist),
			Next: "mount it there, or correct the path (PGPASSFILE)"}
	}
	return login{password: s}, nil
}

func (passFile) maxLag() time.Duration  { return fileLag }
func (passFile) retriesUnchanged() bool { return false }
