package history

import (
	"time"

	"github.com/shiplock/shiplock/internal/source"
	"github.com/shiplock/shiplock/internal/sqlfile"
)

// An Entry is one row of the history table: one run of a migration. The methods that read rows fill
// the fields that their callers need.
type Entry struct {
	ID                int64            `json:"id"`
	Version           int              `json:"version"`
	Name              string           `json:"name"`
	Direction         source.Direction `json:"direction"`
	Outcome           string           `json:"outcome"`
	StatementsApplied int              `json:"statements_applied"`
	StatementsTotal   int              `json:"statements_total"`
	Started           time.Time        `json:"started"`
	DurationSeconds   float64          `json:"duration_seconds"` // 0 until the run has ended
	User              string           `json:"user"`
	Application       string           `json:"application"`        // the session's application_name; only from Entries
	Release           string           `json:"release,omitempty"`  // from LatestEntries such as "booking, revision 3, namespace shop"
	Revision          string           `json:"revision,omitempty"` // only from Entries, as are Namespace and Pod
	Namespace         string           `json:"namespace,omitempty"`
	Pod               string           `json:"pod,omitempty"`
	Error             string           `json:"error,omitempty"`

	Checksum string `json:"-"` // see sqlfile.Checksum; empty if unknown
	// FilesDigest is the digest of all migration files, set if no migration was pending after the
	// run and no applied file had changed. Only the newest row's digest is valid.
	FilesDigest string `json:"-"`
	// Stored is the migration as last applied; only LatestEntries reads it.
	Stored StoredMigration `json:"-"`

	// Written and not read back.
	Transactional  bool   `json:"-"`
	UpSQL, DownSQL string `json:"-"`
}

// A StoredMigration is a migration as last applied, whatever its files contain now.
type StoredMigration struct {
	// HasUp and HasDown report whether the history table has the SQL; see Store.StoredSQL.
	HasUp, HasDown bool
	// DownSize is the size of the down file in bytes; NoFile if there was none, or SizeUnknown
	// in a history table of an earlier release.
	DownSize int64
	// Directives are those of the up file, without NoTransaction.
	sqlfile.Directives

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

// IsPartial reports whether the run was interrupted or failed after some of its statements.
func (r Entry) IsPartial() bool {
	switch r.Outcome {
	case Running, PartiallyApplied, Repaired:
		return true
	}
	return false
}

// IncompleteDown reports whether the row is a down migration that did not finish.
func (r Entry) IncompleteDown() bool { return r.IsPartial() && r.Direction == source.Down }
