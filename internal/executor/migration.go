package executor

import (
	"github.com/shiplock/shiplock/internal/history"
	"github.com/shiplock/shiplock/internal/lint"
	"github.com/shiplock/shiplock/internal/migrationerror"
	"github.com/shiplock/shiplock/internal/resume"
	"github.com/shiplock/shiplock/internal/script"
)

// A Migration is a script that changes the version from one to another.
type Migration struct {
	Script   *script.Script
	From, To history.State
	Entry    history.Entry // history row
	// Resume is set if the first Entry.StatementsApplied statements have been applied and the version is marked
	// dirty.
	resume bool
	// continuesTx is set unless the migration is the first of several in one transaction, and
	// leavesTxOpen unless it is the last.
	continuesTx, leavesTxOpen bool
	number, of                int // 1-based position in the plan
	trace                     *resume.SessionTrace
}

// setFile adds the file and version to an error.
func (m Migration) setFile(fail *migrationerror.Error) *migrationerror.Error {
	fail.File, fail.FileVersion, fail.Direction = m.Script.Name, m.Entry.Version, m.Entry.Direction
	return fail
}

// newMigration returns the migration of a step.
func newMigration(step lint.Step, s *script.Script) Migration {
	entry := history.Entry{
		Version: int(step.Version), Name: step.Name, Direction: step.Direction, Checksum: step.Checksum, StatementsApplied: step.StatementsApplied,
		UpSQL: s.StoredSQL(), DownSQL: step.ReverseSQL,
	}
	if step.Direction == "up" { // of the SQL that runs: the file may have changed since the plan
		entry.Checksum, entry.Stored = s.Sum, step.Stored
		entry.Stored.MinCompatibleVersion, entry.Stored.Irreversible = s.Directives.MinCompatibleVersion, s.Directives.Irreversible
	} else {
		entry.UpSQL, entry.DownSQL = step.ReverseSQL, s.StoredSQL()
	}
	if step.FilesDigest != nil {
		entry.FilesDigest = step.FilesDigest()
	}
	return Migration{Script: s, To: history.State{Version: step.Target}, resume: step.Resume, Entry: entry}
}
