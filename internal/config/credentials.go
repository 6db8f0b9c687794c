package config

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// SecretError is a password, or a URL, that could not be had. Its text holds
// nothing secret.
type SecretError struct {
	// From is where it was looked for, such as "password file /vault/db".
	From    string
	Problem string
	// Absent says that it is not there yet: an agent that writes it may be slow.
	Absent bool
	// Command says that a command was to print it. What it needs (a metadata
	// server, a sidecar) may be a moment late when a pod starts.
	Command bool
	Next    string // the way out
}

func (e *SecretError) Error() string { return e.From + ": " + e.Problem }

// login is what one connection logs in with. An empty user is the one of the settings.
type login struct{ user, password string }

// credentialSource is where a login comes from, anew for each connection.
type credentialSource interface {
	login(ctx context.Context) (login, error)
	// maxLag is how long what it gives may lag behind what the server wants.
	maxLag() time.Duration
	// retriesUnchanged says that its next answer is worth a try even if it is the same:
	// nobody can tell from outside whether a token is still good.
	retriesUnchanged() bool
}

// credentials are the logins of a run. They are shared by all copies of a DSN, and
// safe for concurrent use.
type credentials struct {
	from credentialSource // nil where the password is fixed

	mu    sync.Mutex
	forms []string // every password there was, in the forms that a text may hold it
}

// addSecrets makes a secret one that Redact hides.
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

// get asks for the login anew.
func (c *credentials) get(ctx context.Context) (login, error) {
	l, err := c.from.login(ctx)
	if err != nil {
		return login{}, err
	}
	c.addSecrets(l.password)
	return l, nil
}

// refresh asks again for a login after the server has refused old. It reports whether
// there is one that deserves a try.
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

// maxSecret is more than any password or token: those of cloud services take 2 kB.
const maxSecret = 64 << 10

// secretOf takes one line break from the end of what a file or a command holds.
// what is "holds" or "printed".
func secretOf(text []byte, from, what string) (string, error) {
	s := strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")
	problem := ""
	switch {
	case len(text) > maxSecret:
		problem = fmt.Sprintf("%s more than %d kB, which is no password", what, maxSecret>>10)
	case s == "":
		problem = what + " nothing"
	case strings.ContainsAny(s, "\n\r"):
		problem = fmt.Sprintf("%s %d lines; want the password alone", what, strings.Count(s, "\n")+1)
	case strings.Contains(s, "\x00"):
		problem = what + " a zero byte, which no password can have"
	default:
		return s, nil
	}
	return "", &SecretError{From: from, Problem: problem}
}
