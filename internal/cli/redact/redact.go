// Package redact removes the secrets of a run from what it prints.
//
// A Redactor is created once, with the command line. More secrets become known later: the
// passwords of each database, those in the environment of an external tool, and those of
// notifications. Package cli adds them, and passes Redact to all that prints.
package redact

import (
	"github.com/shiplock/shiplock/internal/config/credentials"
	"github.com/shiplock/shiplock/internal/config/dsn"
)

// A Redactor replaces the secrets that are known so far. The Add methods are not safe for
// concurrent use with Redact.
type Redactor struct {
	// arguments are secrets that the command line seems to contain. They are guesses, and
	// apply only until a database is known.
	arguments     credentials.Secrets
	databases     []dsn.DSN
	environment   credentials.Secrets
	tool          bool // environment applies
	notifications func(string) string
}

// New returns a Redactor for the secrets in a command line that has not been parsed yet.
func New(args []string) *Redactor {
	return &Redactor{arguments: dsn.SecretsFromArgs(args)}
}

// AddDatabase adds the passwords of a database.
func (r *Redactor) AddDatabase(d dsn.DSN) { r.databases = append(r.databases, d) }

// AddEnvironment adds the secrets in the environment of an external tool, whose output may
// contain anything.
func (r *Redactor) AddEnvironment(secrets credentials.Secrets) { r.environment, r.tool = secrets, true }

// AddNotifications adds the secrets of notifications, which redact replaces.
func (r *Redactor) AddNotifications(redact func(string) string) { r.notifications = redact }

// Redact replaces the secrets in s.
func (r *Redactor) Redact(s string) string {
	if len(r.databases) == 0 {
		s = r.arguments.RedactKnown(s)
	}
	for _, d := range r.databases {
		s = d.Redact(s)
	}
	if r.tool {
		s = r.environment.Redact(s)
	}
	if r.notifications != nil {
		s = r.notifications(s)
	}
	return s
}
