// Package credentials provides the user and the password of each connection, and keeps them
// out of all output.
//
// A [Source] is read again for each connection: a [PasswordFile] or a [PasswordCommand]; package
// dsn adds the files that contain more than a password. [Logins] hold the source and all
// passwords of a run, and redact them. [Secrets] are those that an external tool's command line
// and output may contain; a [MaskingWriter] masks the passwords in its output. The callers are
// dsn, config, and cli; report describes an [Error].
package credentials

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/shiplock/shiplock/internal/retry"
)

// An Error reports a password or a URL that could not be read. Its text contains no
// secret.
type Error struct {
	// From is the source, such as "password file /vault/db".
	From    string
	Problem string
	// Absent reports whether the file does not exist yet: an agent may still write it.
	Absent bool
	// Awaited reports whether the migrator waits for the file while a pod starts.
	Awaited bool
	// Command reports whether the source is a command. Services that it needs (a metadata
	// server, a sidecar) may not be ready yet when a pod starts.
	Command bool
	Next    string // how to fix it
}

func (e *Error) Error() string { return e.From + ": " + e.Problem }

// A Login is the user and the password of one connection. An empty user means that of the settings.
type Login struct{ User, Password string }

// A Source provides the login of each connection.
type Source interface {
	Login(ctx context.Context) (Login, error)
	// MaxLag is how long a new password may become available after the server requires it.
	MaxLag() time.Duration
	// RetriesUnchanged reports whether to retry even if the login is unchanged, because the
	// validity of a token cannot be determined locally.
	RetriesUnchanged() bool
}

// Logins hold the source of the logins and the secrets of a run. They are shared by all
// copies of a DSN, and safe for concurrent use.
type Logins struct {
	From Source // nil if the password is fixed

	mu    sync.Mutex
	forms []string // all passwords so far, in all encodings in which a text may contain them
}

// AddSecrets adds secrets that Redact replaces.
func (c *Logins) AddSecrets(secrets ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range secrets {
		for _, form := range encodings(s) {
			if !slices.Contains(c.forms, form) {
				c.forms = append(c.forms, form)
			}
		}
	}
	slices.SortStableFunc(c.forms, func(a, b string) int { return len(b) - len(a) }) // one may be part of another
}

// Redact replaces every secret of the run in s, in all encodings.
func (c *Logins) Redact(s string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return Redact(s, c.forms...)
}

// secretForms returns all encodings of the secrets so far, longest first.
func (c *Logins) secretForms() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.forms...)
}

// Get reads the login again.
func (c *Logins) Get(ctx context.Context) (Login, error) {
	l, err := c.From.Login(ctx)
	if err != nil {
		return Login{}, err
	}
	c.AddSecrets(l.Password)
	return l, nil
}

// Refresh reads the login again after the server has rejected old. It reports whether there
// is a login to retry with.
func (c *Logins) Refresh(ctx context.Context, old Login) (Login, bool) {
	const pause = 100 * time.Millisecond
	var l Login
	err := retry.Do(ctx, retry.Policy{First: pause, Limit: c.From.MaxLag() + pause}, func() (err error) {
		if l, err = c.Get(ctx); err == nil && l == old && !c.From.RetriesUnchanged() {
			return errUnchanged
		}
		return err
	})
	if err != nil {
		return Login{}, false
	}
	return l, true
}

var errUnchanged = errors.New("the login has not changed")

// maxSecret is the maximum size of a secret. Tokens of cloud services have about 2 kB.
const maxSecret = 64 << 10

// secretOf returns the secret in the output of a command or the contents of a file, without
// the line break at its end. what is "contains" or "printed".
func secretOf(text []byte, from, what string) (string, error) {
	s := strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")
	problem := ""
	switch {
	case len(text) > maxSecret:
		problem = fmt.Sprintf("%s more than %d kB, which is too long for a password", what, maxSecret>>10)
	case s == "":
		problem = what + " nothing"
	case strings.ContainsAny(s, "\n\r"):
		problem = fmt.Sprintf("%s %d lines; want only the password", what, strings.Count(s, "\n")+1)
	case strings.Contains(s, "\x00"):
		problem = what + " a NUL byte, which is not allowed in a password"
	default:
		return s, nil
	}
	return "", &Error{From: from, Problem: problem}
}
