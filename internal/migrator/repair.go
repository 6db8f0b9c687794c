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
)

// A Resolution states the actual state of a partially applied migration.
type Resolution string

// Values of Resolution.
const (
	StatementApplied    Resolution = "statement-applied"     // the statement with the unknown outcome was applied, or the failed one is to be skipped: resume after it
	StatementNotApplied Resolution = "statement-not-applied" // the statement was not applied: resume with it
	MigrationApplied    Resolution = "applied"               // the whole migration was completed manually
	MigrationRolledBack Resolution = "rolled-back"           // the whole migration was rolled back manually
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
	st, err := ReadState(ctx, catalog, db)
	if err != nil {
		return "", err
	}
	if !st.Dirty {
		return "", &Refusal{
			Reason: "there is nothing to repair: the database is not marked dirty",
			Why:    "no migration is partially applied",
			Next:   "run migrator status to list the applied migrations and the version of the database",
		}
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
	all, err := WithHistory(catalog, st, nil, planner.Policy{OnEdited: planner.AllowEdited})
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
		return "", &Refusal{
			Reason: fmt.Sprintf("the history table does not record the migration that was interrupted at version %d", st.Version),
			Why:    "another tool marked it dirty, so the number of applied statements is unknown",
			Next:   "complete the migration or roll it back manually, then: migrator repair --applied or --rolled-back",
		}
	}
	run := *partial
	file, open := fileOfRun(catalog, run)
	d, err := db.Resumer.InspectInterrupted(ctx, file, open, run)
	if err != nil {
		return "", err
	}
	if refusal := checkStatementAnswer(run, d, v, statement); refusal != nil {
		return "", refusal
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

// checkStatementAnswer refuses a resolution of a statement whose outcome is known, unless
// it names the number of the failed statement.
func checkStatementAnswer(run history.Entry, d resume.InterruptedStatement, v Resolution, statement int) error {
	resume := "run migrator " + string(run.Direction) + ": it resumes with statement " + fmt.Sprint(d.Number)
	whole := "or complete the migration manually, then: migrator repair --applied\nor roll it back manually, then: migrator repair --rolled-back"
	refusal := func(reason, why, next string) error {
		return &Refusal{Reason: reason, Why: why, Next: next + "\n" + whole}
	}
	stopped := fmt.Sprintf("version %d stopped at statement %d of %d", run.Version, d.Number, run.StatementsTotal)
	switch {
	case !d.Unknown && !d.Failed:
		if d.Number > run.StatementsTotal {
			stopped = fmt.Sprintf("version %d stopped after all %d statements", run.Version, run.StatementsTotal)
			resume = "run migrator " + string(run.Direction) + ": it completes the migration"
		}
		return refusal("no statement has an unknown outcome: "+stopped, d.Why, resume)
	case statement != 0 && statement != d.Number:
		return refusal(fmt.Sprintf("statement %d is not the one that failed: %s", statement, stopped),
			"the statements before it are applied, and those after it have not run",
			fmt.Sprintf("to skip the statement that stopped: migrator repair --%s=%d", StatementApplied, d.Number))
	case d.Unknown:
		return nil
	case v == StatementNotApplied:
		return refusal("no statement has an unknown outcome: "+stopped, fmt.Sprintf("statement %d failed, so it was not applied", d.Number), "correct it; "+resume)
	case statement == 0:
		return refusal("no statement has an unknown outcome: "+stopped, fmt.Sprintf("statement %d failed, so it was not applied", d.Number),
			"correct it; "+resume+fmt.Sprintf("\nto skip it: migrator repair --%s=%d", StatementApplied, d.Number))
	}
	return nil
}

// importEarlierRuns records the earlier migrations of the tool that left the database dirty.
func importEarlierRuns(ctx context.Context, catalog *source.Catalog, db *database.Database, st planner.State) error {
	st.Version, st.Dirty = planner.VersionBelow(catalog, st.Version), false
	runs, err := unrecordedRuns(catalog, st)
	if err != nil || len(runs) == 0 {
		return err
	}
	return db.Store.Import(ctx, runs)
}
