package history

import "time"

// An Entry is one row of the history table: one run of a migration. The methods that read rows fill
// the fields that their callers need.
type Entry struct {
	ID                int64
	Version           int
	Name              string
	Direction         string
	Outcome           string
	StatementsApplied int    // number of applied statements
	StatementsTotal   int    // number of statements in the file
	Checksum          string // see sqlfile.Checksum; empty if unknown
	Started           time.Time
	Duration          time.Duration
	User              string
	Release           string // from LatestEntries such as "booking, revision 3, namespace shop"
	Error             string
	// FilesDigest is the digest of all migration files, set if no migration was pending after the
	// run and no applied file had changed. Only the newest row's digest is valid.
	FilesDigest string
	// Stored is the migration as last applied; only LatestEntries reads it.
	Stored StoredMigration

	// Only Entries reads these. Ended reports whether the run ended, and Application is the
	// session's application_name.
	Ended                    bool
	Revision, Namespace, Pod string
	Application              string

	// Written and not read back.
	Transactional  bool
	UpSQL, DownSQL string
}

// A StoredMigration is a migration as last applied, whatever its files contain now.
type StoredMigration struct {
	// HasUp and HasDown report whether the history table has the SQL; see Store.StoredSQL.
	HasUp, HasDown bool
	// DownSize is the size of the down file in bytes; NoFile if there was none, or SizeUnknown
	// in a history table of an earlier release.
	DownSize int64
	// MinCompatibleVersion and Irreversible are as in sqlfile.Directives.
	MinCompatibleVersion uint
	Irreversible         bool

	id int64 // of the history row
}

// Special values of StoredMigration.DownSize.
const (
	NoFile      = -1
	SizeUnknown = -2
)

// Outcomes of a run in the history table.
const (
	Applied          = "applied"           // complete
	Failed           = "failed"            // rolled back, nothing was applied
	Running          = "running"           // running or interrupted: statements_applied were applied, and perhaps the next statement
	PartiallyApplied = "partially applied" // failed: statements_applied were applied, and no more
	Imported         = "imported"          // applied by another tool before the first run
	Repaired         = "repaired"          // repair set the number of applied statements; the run can resume
	Resolved         = "resolved"          // repair marked it as applied, or as rolled back
	// Baselined is the outcome of a baseline with a comparison of the schema, and
	// BaselinedUnverified without one.
	Baselined           = "baselined"
	BaselinedUnverified = "baselined unverified"
)

// IncompleteDown reports whether the row is a down migration that did not finish.
func (r Entry) IncompleteDown() bool {
	switch r.Outcome {
	case Running, PartiallyApplied, Repaired:
		return r.Direction == "down"
	}
	return false
}
