package migrator

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/shiplock/shiplock/internal/database"
	"github.com/shiplock/shiplock/internal/history"
	"github.com/shiplock/shiplock/internal/planner"
	"github.com/shiplock/shiplock/internal/resume"
	"github.com/shiplock/shiplock/internal/source"
	"github.com/shiplock/shiplock/internal/state"
)

// Repair records a resolution in the history table and, if it resolves the whole migration,
// in the version table. It runs no SQL of the migration, but removes the leftovers of the
// failed statement. statement is the number of the failed statement to skip, or 0 for the
// one with the unknown outcome. Repair returns a description of what it did.
func Repair(ctx context.Context, o Options, v Resolution, statement int) (string, error) {
	catalog, err := OpenFiles(ctx, o)
	if err != nil {
		return "", err
	}
	db, err := database.OpenPrimary(ctx, o.Postgres)
	if err != nil {
		return "", err
	}
	did, err := repair(ctx, o, catalog, db, v, statement)
	if err == nil {
		err = db.Locker.Unlock(ctx)
	}
	return did, errors.Join(err, db.Session.Close())
}

func repair(ctx context.Context, o Options, catalog *source.Catalog, db *database.Database, v Resolution, statement int) (string, error) {
	if err := db.Lock(ctx, nil); err != nil {
		return "", err
	}
	st, err := state.Read(ctx, catalog, db)
	if err != nil {
		return "", err
	}
	if !st.Dirty {
		return "", &RepairRefusal{Cause: NotDirty}
	}
	partial := st.Partial()
	if v == StatementApplied || v == StatementNotApplied {
		return resolveStatement(ctx, catalog, db, st, v, statement)
	}
	run := history.Entry{Version: st.Version, Direction: source.Up}
	if partial != nil {
		run = *partial
		if err := removeLeftovers(ctx, o, db, run, v); err != nil {
			return "", err
		}
	} else if err := importEarlierRuns(ctx, catalog, db, st); err != nil {
		return "", err
	}
	// Migrations below it may exist only in the history table.
	all, err := state.WithHistory(catalog, st, nil, planner.Policy{OnEdited: planner.AllowEdited})
	if err != nil {
		return "", err
	}
	to, direction := planner.Resolve(all, st, run, v == MigrationApplied)
	m, here := catalog.Find(uint(run.Version))
	if !here {
		m.Name = run.Name
	}
	sum, err := catalog.Checksum(uint(run.Version))
	if err != nil {
		return "", err
	}
	err = db.Store.SetVersion(ctx, history.State{Version: to}, history.Entry{
		Version: run.Version, Name: m.Name, Direction: direction, Outcome: history.Resolved, Checksum: sum,
	})
	return fmt.Sprintf("version %d is %s; the database is at version %d", run.Version, v, to), err
}

// removeLeftovers removes the leftovers of the failed statement, and logs those it cannot remove.
func removeLeftovers(ctx context.Context, o Options, db *database.Database, run history.Entry, v Resolution) error {
	finish := (v == MigrationApplied) == (run.Direction == source.Up)
	left, err := db.Resumer.RemoveLeftovers(ctx, run, finish)
	for _, l := range left {
		o.Log.Warn("could not remove leftover of a failed statement", "object", l.What, "statement", l.SQL)
	}
	return err
}

func resolveStatement(ctx context.Context, catalog *source.Catalog, db *database.Database, st planner.State, v Resolution, statement int) (string, error) {
	partial := st.Partial()
	if partial == nil {
		return "", &RepairRefusal{Cause: RunNotRecorded, Version: st.Version}
	}
	run := *partial
	file, open := fileOfRun(catalog, run)
	d, err := db.Resumer.InspectInterrupted(ctx, file, open, run)
	if err != nil {
		return "", err
	}
	if cause := checkStatementAnswer(d, v, statement); cause != 0 {
		return "", &RepairRefusal{Cause: cause, Resolution: v, Run: run, Statement: d, Given: statement}
	}
	done, skipped := run.StatementsApplied, false
	if v == StatementApplied {
		done, skipped = min(d.Last, run.StatementsTotal), d.Failed
	}
	return fmt.Sprintf("%d of %d statements of version %d are applied; the next up or down resumes from there", done, run.StatementsTotal, run.Version), db.Resumer.MarkRepaired(ctx, run, done, skipped)
}

// fileOfRun returns the current file of a run; open is nil if there is no such file.
func fileOfRun(catalog *source.Catalog, run history.Entry) (name string, open func() (io.ReadCloser, error)) {
	m, _ := catalog.Find(uint(run.Version))
	if name = m.File(run.Direction); name == "" {
		return fmt.Sprintf("%d_%s.%s.sql", run.Version, run.Name, run.Direction), nil
	}
	return name, catalog.Opener(name)
}

// checkStatementAnswer returns why a resolution does not match the interrupted statement, or 0: its
// outcome is known, and it is not the failed statement whose number was given.
func checkStatementAnswer(d resume.InterruptedStatement, v Resolution, given int) RepairCause {
	switch {
	case !d.Unknown && !d.Failed:
		return StatementOutcomeKnown
	case given != 0 && given != d.Number:
		return OtherStatementFailed
	case !d.Unknown && (v == StatementNotApplied || given == 0):
		return StatementFailed
	}
	return 0
}

// importEarlierRuns records the earlier migrations of the tool that left the database dirty.
func importEarlierRuns(ctx context.Context, catalog *source.Catalog, db *database.Database, st planner.State) error {
	st.Version, st.Dirty = planner.VersionBelow(catalog, st.Version), false
	runs, err := state.Unrecorded(catalog, st)
	if err != nil || len(runs) == 0 {
		return err
	}
	return db.Store.Import(ctx, runs)
}
