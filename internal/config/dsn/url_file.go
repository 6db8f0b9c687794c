package dsn

import (
	"context"
	"time"

	"github.com/shiplock/shiplock/internal/config/credentials"
)

// A URLFile is the path of a file that contains only a connection URL. If the URL changes during a run,
// only the new user and password are used.
type URLFile string

// Read returns the URL. Errors are a *credentials.Error.
func (f URLFile) Read() (string, error) {
	return credentials.ReadFile(string(f), f.description())
}

func (f URLFile) description() string { return "database URL file " + string(f) }

// Login is part of credentials.Source.
func (f URLFile) Login(context.Context) (credentials.Login, error) {
	s, err := f.Read()
	if err != nil {
		return credentials.Login{}, err
	}
	d, err := Parse(s)
	if err != nil {
		return credentials.Login{}, &credentials.Error{From: f.description(), Problem: err.Error(), Next: "write only the URL to the file, on one line"}
	}
	return credentials.Login{User: d.cfg.User, Password: d.cfg.Password}, nil
}

// MaxLag is part of credentials.Source.
func (URLFile) MaxLag() time.Duration { return credentials.FileLag }

// RetriesUnchanged is part of credentials.Source.
func (URLFile) RetriesUnchanged() bool { return false }
