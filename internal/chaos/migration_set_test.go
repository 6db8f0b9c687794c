package chaos

import "time"

// Class says what a set's files hold.
type Class string

// Classes of sets.
const (
	Transactional Class = "transactional"
	Concurrent    Class = "CREATE INDEX CONCURRENTLY, a file each"
	Mixed         Class = "files that mix both"
	Session       Class = "transactional, with session state"
	MixedSession  Class = "files that mix both, with session state"
)

// Migration is one file.
type Migration struct {
	Version    int
	Statements []string
	// Plain migrations run in a transaction.
	Plain bool
	// Logs says that the migration inserts its version into chaos_log. What cannot
	// run in a transaction does not, where it has a file to itself.
	Logs bool
	// State is what the session is to be where it does.
	State state
}

// Table is what must be in a table in the end.
type Table struct {
	Columns   []string
	Rows, Sum int
	Indexes   []string
}

// Set is a random list of migrations, and what they lead to.
type Set struct {
	Class      Class
	Migrations []Migration
	Tables     map[string]*Table
	// Slept is about how long the set waits: in pg_sleep, and for the application's
	// transactions, as a concurrent index build does.
	Slept time.Duration
}

// hasSession reports whether the files change their session.
func (s *Set) hasSession() bool { return s.Class == Session || s.Class == MixedSession }

// mixes reports whether a file may hold what runs in a transaction and what does not.
func (s *Set) mixes() bool { return s.Class == Mixed || s.Class == MixedSession }

// Last is the version of the last migration.
func (s *Set) Last() int { return s.Migrations[len(s.Migrations)-1].Version }
