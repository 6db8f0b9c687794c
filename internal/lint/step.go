package lint

import (
	"io"

	"github.com/shiplock/shiplock/internal/history"
)

// A Step is a planned migration.
type Step struct {
	File       string
	Name       string
	Open       func() (io.ReadCloser, error) // opens the file again: a big one is read more than once
	ReverseSQL string                        // the SQL of the other direction, for the history; empty above MaxStoredSQL
	Checksum   string                        // of the migration's up file, for a step down
	// FilesDigest returns Run.FilesDigest and is called just before the step runs; nil for none.
	FilesDigest func() string
	// Resume is set for a partially applied migration: From is the version before it, and
	// StatementsApplied is the number of its applied statements.
	Resume bool
	// GuardDataLoss is set for a down step that must not delete data: it fails with
	// MigrationError.DataLoss if it would.
	GuardDataLoss     bool
	Own               OwnObjects // see DataLosses
	From              int
	StatementsApplied int
	Direction         string // "up" or "down"
	// Stored is what the history keeps of an up step, without the file's directives.
	Stored  history.StoredMigration
	Version uint // of the migration
	Target  int  // the version after it, -1 for none
}
