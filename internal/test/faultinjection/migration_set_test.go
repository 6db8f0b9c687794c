package faultinjection

import "time"

// A Class is a kind of set.
type Class string

// Classes of sets.
const (
	Transactional Class = "transactional"
	Concurrent    Class = "CREATE INDEX CONCURRENTLY, a file each"
	Mixed         Class = "files that mix both"
	Session       Class = "transactional, with session state"
	MixedSession  Class = "files that mix both, with session state"
)

// A Migration is a file.
type Migration struct {
	Version    int
	Statements []string
	// Plain migrations run in a transaction.
	Plain bool
	// Logs reports whether the migration inserts its version into chaos_log. A file with a
	// single statement that cannot run in a transaction does not.
	Logs bool
	// State is the expected state of the session when it does.
	State state
}

// A Table is the expected content of a table.
type Table struct {
	Columns   []string
	Rows, Sum int
	Indexes   []string
}

// A Set is a random list of migrations and their expected result.
type Set struct {
	Class      Class
	Migrations []Migration
	Tables     map[string]*Table
	// Slept is approximately how long the set waits: in pg_sleep, and for the application's
	// transactions, as a concurrent index build does.
	Slept time.Duration
}

// hasSession reports whether the files change their session.
func (s *Set) hasSession() bool { return s.Class == Session || s.Class == MixedSession }

// mixes reports whether a file may have both transactional and non-transactional statements.
func (s *Set) mixes() bool { return s.Class == Mixed || s.Class == MixedSession }

// Last returns the version of the last migration.
func (s *Set) Last() int { return s.Migrations[len(s.Migrations)-1].Version }
