package executor

import (
	"io"

	"github.com/shiplock/shiplock/internal/dataloss"
	"github.com/shiplock/shiplock/internal/history"
	"github.com/shiplock/shiplock/internal/migrationerror"
	"github.com/shiplock/shiplock/internal/planner"
	"github.com/shiplock/shiplock/internal/resume"
	"github.com/shiplock/shiplock/internal/script"
	"github.com/shiplock/shiplock/internal/source"
)

// A Migration is a script that changes the version from one to another.
type Migration struct {
	Script   *script.Script // Run loads it from File; the caller of Apply sets it
	From, To history.State
	Entry    history.Entry // history row
	File     string
	Open     func() (io.ReadCloser, error) // opens the file again: a large one is read more than once
	// Resume is set if the first Entry.StatementsApplied statements have been applied and the version is marked
	// dirty.
	Resume bool
	// Guard makes a down migration that would delete data fail with migrationerror.Error.DataLoss.
	Guard dataloss.Guard
	// FilesDigest returns Entry.FilesDigest and is called just before the migration runs; nil for none.
	FilesDigest func() string
	// continuesTx is set unless the migration is the first of several in one transaction, and
	// leavesTxOpen unless it is the last.
	continuesTx, leavesTxOpen bool
	number, of                int // 1-based position in the plan
	trace                     *resume.SessionTrace
}

// Load returns the migrations of a plan. It reads what their history rows need besides the SQL that
// runs, and rejects invalid directives. applied is the number of applied statements of a first step
// that resumes.
func Load(catalog *source.Catalog, plan planner.Plan, applied int) ([]Migration, error) {
	out := make([]Migration, len(plan.Steps))
	from := plan.From
	for i, s := range plan.Steps {
		entry, err := entryOf(catalog, s)
		if err != nil {
			return nil, err
		}
		out[i] = Migration{File: s.File(), Open: catalog.Opener(s.File()), Entry: entry, Resume: s.Resume,
			From: history.State{Version: from}, To: history.State{Version: s.Target}, number: i + 1, of: len(out)}
		from = s.Target
	}
	if len(out) > 0 && out[0].Resume {
		out[0].Entry.StatementsApplied = applied
	}
	return out, nil
}

// entryOf returns the history row of a step, without the SQL that runs.
func entryOf(catalog *source.Catalog, s planner.Step) (history.Entry, error) {
	m := s.Migration
	entry := history.Entry{Version: int(m.Version), Name: m.Name, Direction: s.Direction}
	var err error
	if s.Direction == source.Down {
		if entry.UpSQL, err = catalog.Text(m.Up, script.MaxStoredSQL); err == nil {
			entry.Checksum, err = catalog.Checksum(m.Version)
		}
		return entry, err
	}
	if entry.DownSQL, err = catalog.Text(m.Down, script.MaxStoredSQL); err != nil {
		return entry, err
	}
	directives, err := catalog.Directives(m.Version)
	if err != nil {
		return entry, err
	}
	size, err := catalog.Size(m.Down)
	entry.Stored = history.StoredMigration{HasDown: m.Down != "", DownSize: size, Directives: directives}
	return entry, err
}

// load reads the script. Checksum and directives of an up are those of the SQL that runs: the file
// may have changed since Load.
func (m Migration) load() (Migration, error) {
	s, err := script.LoadFile(m.File, m.Open)
	if err == nil && m.Resume && m.Entry.StatementsApplied > 0 {
		err = s.LoadStatements()
	}
	if err != nil {
		return m, err
	}
	m.Script = s
	if m.Entry.Direction == source.Up {
		m.Entry.UpSQL, m.Entry.Checksum = s.StoredSQL(), s.Sum
		m.Entry.Stored.Directives = s.Directives
	} else {
		m.Entry.DownSQL = s.StoredSQL()
	}
	if m.FilesDigest != nil {
		m.Entry.FilesDigest = m.FilesDigest()
	}
	return m, nil
}

// setFile adds the file and version to an error.
func (m Migration) setFile(fail *migrationerror.Error) *migrationerror.Error {
	fail.File, fail.FileVersion, fail.Direction = m.Script.Name, m.Entry.Version, m.Entry.Direction
	return fail
}
