package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/shiplock/shiplock/internal/plan"
	"github.com/shiplock/shiplock/internal/postgres"
	"github.com/shiplock/shiplock/internal/source"
)

// Verdict is what a person says of a migration that has stopped part-way.
type Verdict string

// The verdicts.
const (
	StatementDone   Verdict = "statement-done"   // the statement in doubt is in effect: go on after it
	StatementUndone Verdict = "statement-undone" // it is not: go on with it
	MigrationDone   Verdict = "applied"          // all of it has been finished by hand
	MigrationUndone Verdict = "reverted"         // all of it has been undone by hand
)

// Repair writes a verdict to the journal and, where it settles the migration, to
// the version table. It runs no SQL of the migration. It returns what it did.
func Repair(ctx context.Context, o Options, v Verdict) (string, error) {
	catalog, err := open(o)
	if err != nil {
		return "", err
	}
	db, err := openToWrite(ctx, o)
	if err != nil {
		return "", err
	}
	did, err := repair(ctx, catalog, db, v)
	if err == nil {
		err = db.Unlock(ctx)
	}
	return did, errors.Join(err, db.Close())
}

func repair(ctx context.Context, catalog *source.Catalog, db *postgres.DB, v Verdict) (string, error) {
	if err := db.Lock(ctx); err != nil {
		return "", err
	}
	st, journal, err := readState(ctx, catalog, db)
	if err != nil {
		return "", err
	}
	if !st.Dirty {
		return "", &plan.Refusal{
			Reason: "there is nothing to repair: the database is not marked dirty",
			Why:    "every migration has ended",
			Next:   "migrator status shows where the database is",
		}
	}
	i := slices.IndexFunc(st.Runs, func(r plan.Run) bool { return r.Outcome == plan.Unfinished })
	if v == StatementDone || v == StatementUndone {
		return settleStatement(ctx, db, st, journal, i, v)
	}
	run := plan.Run{Version: st.Version, Direction: plan.Up}
	if i >= 0 {
		run = st.Runs[i]
	} else if err := adoptBelow(ctx, catalog, db, st); err != nil {
		return "", err
	}
	// What is below it may be known to the journal only.
	all, err := union(catalog, st, journal, nil, plan.Policy{OnEdited: plan.AllowEdited})
	if err != nil {
		return "", err
	}
	to, direction := plan.Settle(all, st, run, v == MigrationDone)
	m, here := catalog.Find(uint(run.Version))
	if !here {
		m.Name = run.Name
	}
	sum, err := catalog.Checksum(uint(run.Version))
	if err != nil {
		return "", err
	}
	err = db.SetVersion(ctx, postgres.State{Version: to}, postgres.Run{
		Version: run.Version, Name: m.Name, Direction: string(direction), Outcome: postgres.RunSettled, Checksum: sum,
	})
	return fmt.Sprintf("version %d is %s; the database is at version %d", run.Version, v, to), err
}

func settleStatement(ctx context.Context, db *postgres.DB, st plan.State, journal []postgres.Run, i int, v Verdict) (string, error) {
	if i < 0 {
		return "", &plan.Refusal{
			Reason: fmt.Sprintf("the journal does not know what stopped at version %d", st.Version),
			Why:    "another tool marked it dirty, so there is no statement to speak of",
			Next:   "finish or undo the migration by hand, then: migrator repair --applied or --reverted",
		}
	}
	run := journal[slices.IndexFunc(journal, func(r postgres.Run) bool { return r.Version == st.Runs[i].Version })]
	done := run.Done
	if v == StatementDone {
		done = min(done+1, run.Total)
	}
	return fmt.Sprintf("%d of %d statements of version %d are in effect; up or down goes on from there", done, run.Total, run.Version), db.Settle(ctx, run, done)
}

// adoptBelow journals what the tool that left the database dirty had done before.
func adoptBelow(ctx context.Context, catalog *source.Catalog, db *postgres.DB, st plan.State) error {
	st.Version, st.Dirty = plan.Before(catalog, st.Version), false
	runs, err := adoptable(catalog, &st)
	if err != nil || len(runs) == 0 {
		return err
	}
	return db.Adopt(ctx, runs)
}
