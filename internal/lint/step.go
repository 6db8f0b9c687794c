package lint

import (
	"io"

	"github.com/shiplock/shiplock/internal/history"
	"github.com/shiplock/shiplock/internal/script"
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
	// migrationerror.Error.DataLoss if it would.
	GuardDataLoss     bool
	Own               OwnObjects // see dataloss.Counter.Find
	From              int
	StatementsApplied int
	Direction         string // "up" or "down"
	// Stored is what the history keeps of an up step, without the file's directives.
	Stored  history.StoredMigration
	Version uint // of the migration
	Target  int  // the version after it, -1 for none
}

// OwnObjects are the objects that the statements of a rollback create themselves, so that dropping
// them is not a data loss.
type OwnObjects struct {
	changes map[string][]bool // by statement text
	Tables  []string          // at the end of the file
}

// record stores whether a change affects only objects that the statements created. If the statement
// occurs twice, both must.
func (o *OwnObjects) record(text string, i int, own bool) {
	if known := o.changes[text]; i < len(known) {
		known[i] = known[i] && own
	} else {
		o.changes[text] = append(known, own)
	}
}

// Has reports whether a change of a statement affects only objects that the statements created.
func (o *OwnObjects) Has(text string, i int) bool {
	return i < len(o.changes[text]) && o.changes[text][i]
}

// CountStatements returns the number of statements in a step's file, and whether they run in one
// transaction. Errors are *ScriptError.
func (s Step) CountStatements() (statements int, transactional bool, err error) {
	script, err := script.LoadFile(s.File, s.Open)
	if err != nil {
		return 0, false, err
	}
	return script.Count(), script.Transactional, nil
}
