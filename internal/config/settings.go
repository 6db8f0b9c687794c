package config

import (
	"fmt"
	"time"
)

// A UsageError reports an invalid setting. It names the setting and how to fix it.
type UsageError struct{ Problem string }

func (e *UsageError) Error() string { return e.Problem }

func usage(format string, args ...any) error {
	return &UsageError{Problem: fmt.Sprintf(format, args...)}
}

// Settings are the values of flags and environment variables, as text if they need parsing.
type Settings struct {
	DatabaseURL string
	CredentialSources
	// Role is the role that the session sets, so that it owns the created objects.
	Role   string
	Source string
	Table  string // see versiontable.Parse
	// TableGiven reports whether Table was set, to its default value or another.
	TableGiven bool
	// Migrates is set if migration files are run on the database; Tool if an external tool
	// runs its own.
	Migrates, Tool bool
	WaitForDB      time.Duration
	// StatementTimeout limits one statement in the server.
	StatementTimeout time.Duration
}

// Default values of settings.
const (
	DefaultSource    = "/migrations"
	DefaultTable     = "schema_migrations"
	DefaultWaitForDB = 60 * time.Second
	DefaultLockWait  = 60 * time.Second
	// DefaultLockTimeout is how long queries of the application may have to queue behind a
	// migration that waits for a table lock.
	DefaultLockTimeout = 5 * time.Second
)

// CredentialSources are sources from which the password, or the whole URL, is read again
// for each connection. At most one of them is set.
type CredentialSources struct {
	// PasswordCommand is a command line whose standard output is the password.
	PasswordCommand string
	PasswordFile    string // contains only the password
	DatabaseURLFile string // contains only the URL
}
