package config

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// A SecretError reports a password or a URL that could not be read. Its text contains no
// secret.
type SecretError struct {
	// From is the source, such as "password file /vault/db".
	From    string
	Problem string
	// Absent reports whether the file does not exist yet: an agent may still write it.
	Absent bool
	// Command reports whether the source is a command. Services that it needs (a metadata
	// server, a sidecar) may not be ready yet when a pod starts.
	Command bool
	Next    string // how to fix it
}

func (e *SecretError) Error() string { return e.From + ": " + e.Problem }

// A login is the user and the password of one connection. An empty user means that of the settings.
type login struct{ user, password string }

// A credentialSource provides the login of each connection.
type credentialSource interface {
	login(ctx context.Context) (login, error)
	// maxLag is how long a new password may become available after the server requires it.
	maxLag() time.Duration
	// retriesUnchanged reports whether to retry even if the login is unchanged, because the
	// validity of a token cannot be determined locally.
	retriesUnchanged() bool
}

// credentials hold the source of the logins and the secrets of a run. They are shared by
// all copies of a DSN, and safe for concurrent use.
type credentials struct {
	from credentialSource // nil if the password is fixed

	mu    sync.Mutex
	forms []string // all passwords so far, in all encodings in which a text may contain them
}

// addSecrets adds secrets that Redact replaces.
func (c *credentials) addSecrets(secrets ...string) {
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

func (c *credentials) hide(s string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return redact(s, c.forms...)
}

// get reads the login again.
func (c *credentials) get(ctx context.Context) (login, error) {
	l, err := c.from.login(ctx)
	if err != nil {
		return login{}, err
	}
	c.addSecrets(l.password)
	return l, nil
}

// refresh reads the login again after the server has rejected old. It reports whether there
// is a login to retry with.
func (c *credentials) refresh(ctx context.Context, old login) (login, bool) {
	const pause = 100 * time.Millisecond
	for until := time.Now().Add(c.from.maxLag()); ; {
		l, err := c.get(ctx)
		if err == nil && (l != old || c.from.retriesUnchanged()) {
			return l, true
		}
		if time.Now().After(until) {
			return login{}, false
		}
		select {
		case <-ctx.Done():
			return login{}, false
		case <-time.After(pause):
		}
	}
}

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
	return "", &SecretError{From: from, Problem: problem}
}
