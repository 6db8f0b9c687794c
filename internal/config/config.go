// Package config holds the settings of a run, parsed and checked once.
package config

import (
	"cmp"
	"fmt"
	"io/fs"
	"net/url"
	"path"
	"strings"
	"time"
)

// UsageError is a setting that cannot be used. It names the setting and the way out.
type UsageError struct{ Problem string }

func (e *UsageError) Error() string { return e.Problem }

func usage(format string, args ...any) error {
	return &UsageError{Problem: fmt.Sprintf(format, args...)}
}

// Settings are what flags and environment say, as text where it needs parsing.
type Settings struct {
	DatabaseURL string
	CredentialSources
	// Role is what the session becomes, so that what it makes belongs to that role.
	Role   string
	Source string
	Table  string // see ParseTable
	// TableGiven reports whether Table was set, to its default value or another.
	TableGiven bool
	// Migrates is set where migration files are run on the database; Tool where another
	// tool runs its own.
	Migrates, Tool bool
	WaitForDB      time.Duration
	// ConnectAttempts and ConnectDelay are the start-up loop of old: so many
	// attempts, with such a pause.
	ConnectAttempts int
	ConnectDelay    time.Duration
	LockWait        time.Duration
	Timeout         time.Duration
	// LockTimeout and StatementTimeout bound one statement in the server.
	LockTimeout        time.Duration
	StatementTimeout   time.Duration
	OnNewer            string
	OutOfOrder         string
	OnEdited           string
	RequireDown        bool
	AllowDataLoss      bool
	UnrecognizedFiles  string
	TxMode             string
	SidecarShutdownURL string // of a proxy that is to end with us
	Progress           string
	LogFormat          string
	LogLevel           string
}

// Defaults of the settings that have one.
const (
	DefaultSource    = "/migrations"
	DefaultTable     = "schema_migrations"
	DefaultWaitForDB = 60 * time.Second
	DefaultLockWait  = 60 * time.Second
	// DefaultLockTimeout is how long the application's queries may have to queue
	// behind a migration that waits for a table.
	DefaultLockTimeout = 5 * time.Second
)

// identifierLimit is NAMEDATALEN - 1: PostgreSQL cuts longer names in silence.
const (
	identifierLimit = 63
	// tableLimit leaves room for the journal's name.
	tableLimit = identifierLimit - len("_exec_history")
)

// Database checks what concerns the database and returns how to reach it. getenv
// is os.Getenv, or a test's.
func (s *Settings) Database(getenv func(string) string) (DSN, error) {
	if err := CheckRequiredSecrets(getenv); err != nil {
		return DSN{}, err
	}
	if err := s.checkSingleSource(getenv); err != nil {
		return DSN{}, err
	}
	if s.DatabaseURL == "" && s.DatabaseURLFile == "" && !anySet(getenv, "PGHOST", "PGHOSTADDR", "PGDATABASE", "PGUSER", "PGSERVICE") {
		return DSN{}, usage("no database given: set DATABASE_URL (postgres://user:password@host:5432/database), or PGHOST, PGUSER, PGPASSWORD and PGDATABASE")
	}
	if err := checkVariables(getenv); err != nil {
		return DSN{}, err
	}
	if file := getenv("PGPASSFILE"); file != "" {
		if err := readable(file); err != nil {
			return DSN{}, usage("password file PGPASSFILE: %v", err)
		}
	}
	dsn, err := s.dsn(getenv)
	if err != nil {
		return DSN{}, err
	}
	if err := s.applyMigrateParams(dsn.migrate); err != nil {
		return DSN{}, err
	}
	return dsn, s.check()
}

func (s *Settings) check() error {
	for name, d := range map[string]time.Duration{"--wait-for-db": s.WaitForDB, "--connect-delay": s.ConnectDelay, "--lock-wait": s.LockWait, "--timeout": s.Timeout,
		"--lock-timeout": s.LockTimeout, "--statement-timeout": s.StatementTimeout} {
		if d < 0 {
			return usage("%s is %s; want 0 or more, such as 90s or 5m", name, d)
		}
	}
	if s.ConnectAttempts < 0 {
		return usage("--connect-attempts is %d; want 1 or more, or 0 for as many as fit into --wait-for-db", s.ConnectAttempts)
	}
	if s.OnNewer != "allow" && s.OnNewer != "fail" && s.OnNewer != "down" {
		return usage("--on-newer is %q; want allow, fail or down", s.OnNewer)
	}
	for _, choice := range []struct{ flag, value, one, other string }{
		{"--out-of-order", s.OutOfOrder, "fail", "apply"},
		{"--on-edited", s.OnEdited, "fail", "allow"},
		{"--unrecognized-files", s.UnrecognizedFiles, "fail", "ignore"},
		{"--tx-mode", s.TxMode, "file", "all"},
	} {
		if choice.value != choice.one && choice.value != choice.other {
			return usage("%s is %q; want %s or %s", choice.flag, choice.value, choice.one, choice.other)
		}
	}
	schema, name, ok := ParseTable(s.Table)
	if !ok || len(schema) > identifierLimit || len(name) > tableLimit || strings.Contains(s.Table, "\x00") {
		return usage(`--table is %q; want a name of at most %d bytes, or schema.name (a name with a dot in it in double quotes, as in SQL)`, s.Table, tableLimit)
	}
	if err := checkRole(s.Role); err != nil {
		return err
	}
	return s.cleanSource()
}

// cleanSource takes the source as a folder, or as golang-migrate's URL of one.
func (s *Settings) cleanSource() error {
	if s.Source == "" {
		return usage("--source is empty; want the folder with the migrations")
	}
	if scheme, _, isURL := strings.Cut(s.Source, "://"); isURL {
		if scheme != "file" {
			return usage("--source is a URL of the scheme %q; want the folder with the migrations, or file://FOLDER", scheme)
		}
		u, err := url.Parse(s.Source)
		if err != nil || u.RawQuery != "" || u.Fragment != "" {
			return usage("--source is no URL of a folder; want file://FOLDER, with each %% as %%25, ? as %%3F and # as %%23")
		}
		// golang-migrate joins host and path: file://migrations is relative, file:///migrations is not.
		s.Source = cmp.Or(u.Opaque, u.Host+u.Path, ".")
	}
	s.Source = path.Clean(s.Source)
	return nil
}

// requiredVariable holds what the chart takes from a Secret of the user's, as
// "VARIABLE=secret/key" separated by spaces. The chart's references are optional:
// a pod that waits for a Secret says nothing until its deadline.
const requiredVariable = "SHIPLOCK_REQUIRED_ENV"

// Required says which keys of the user's Secrets are not there.
func CheckRequiredSecrets(getenv func(string) string) error {
	var missing []string
	for _, entry := range strings.Fields(getenv(requiredVariable)) {
		variable, from, ok := strings.Cut(entry, "=")
		secret, key, ok2 := strings.Cut(from, "/")
		if !ok || !ok2 {
			return usage("%s holds %q; want VARIABLE=secret/key", requiredVariable, entry)
		}
		if getenv(variable) == "" {
			missing = append(missing, fmt.Sprintf("key %q of Secret %q (for %s)", key, secret, variable))
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return usage("not there, or empty: %s; a Secret must exist before the release, in its namespace (kubectl get secret)", strings.Join(missing, ", "))
}

func anySet(getenv func(string) string, names ...string) bool {
	for _, n := range names {
		if getenv(n) != "" {
			return true
		}
	}
	return false
}

func readable(file string) error {
	f, err := openFile(file)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err == nil && info.IsDir() {
		return &fs.PathError{Op: "read", Path: file, Err: fmt.Errorf("is a folder")}
	}
	return err
}
