package migrator

import (
	"context"

	"github.com/shiplock/shiplock/internal/database"
	"github.com/shiplock/shiplock/internal/history"
	"github.com/shiplock/shiplock/internal/planner"
	"github.com/shiplock/shiplock/internal/source"
)

// ReadState reads the state of the database that the planner needs: the version, the
// history, and which of the applied files were edited.
func ReadState(ctx context.Context, catalog *source.Catalog, db *database.Database) (planner.State, []history.Entry, error) {
	version, err := db.Store.State(ctx)
	if err != nil {
		return planner.State{}, nil, err
	}
	return readRuns(ctx, catalog, db, version)
}

// readRuns is ReadState with a version that was already read.
func readRuns(ctx context.Context, catalog *source.Catalog, db *database.Database, version history.State) (planner.State, []history.Entry, error) {
	entries, err := db.Store.LatestEntries(ctx)
	if err != nil {
		return planner.State{}, nil, err
	}
	st := planner.State{Version: version.Version, Dirty: version.Dirty}
	var edited []history.Entry
	for _, r := range entries {
		run := RunOf(r, version.Dirty)
		st.Runs = append(st.Runs, run)
		if _, known := catalog.Find(uint(r.Version)); !known || r.Checksum == "" || !run.IsApplied() || r.Version > version.Version && !version.Dirty {
			continue // above the version, another tool has rolled it back
		}
		sum, err := catalog.Checksum(uint(r.Version))
		if err != nil {
			return planner.State{}, nil, err
		}
		if sum != "" && sum != r.Checksum {
			st.Edited = append(st.Edited, uint(r.Version))
			edited = append(edited, r)
		}
	}
	if st.LineEndings, err = lineEndingChanges(ctx, catalog, db, edited); err != nil {
		return planner.State{}, nil, err
	}
	if !versionRowMissing(st) {
		return st, entries, nil
	}
	// Another migrator's first commit may have come between the two queries.
	again, err := db.Store.State(ctx)
	if err == nil && again != version {
		return readRuns(ctx, catalog, db, again)
	}
	if err == nil {
		err = checkVersionRow(ctx, catalog, db, st, entries)
	}
	return st, entries, err
}

// RunOf converts a history row to the planner's type.
func RunOf(r history.Entry, dirty bool) planner.Run {
	run := planner.Run{
		Version: r.Version, Name: r.Name, Direction: planner.Direction(r.Direction),
		Outcome: OutcomeOf(r.Outcome), StatementsApplied: r.StatementsApplied, StatementsTotal: r.StatementsTotal, MinCompatibleVersion: r.Stored.MinCompatibleVersion,
	}
	if run.Outcome == planner.PartiallyApplied && !dirty {
		run.Outcome = planner.Completed // the version table, which another tool may have set, takes precedence
	}
	return run
}

// OutcomeOf returns the planner's type of the outcome of a history row.
func OutcomeOf(outcome string) planner.Outcome { return outcomes[outcome] }

var outcomes = map[string]planner.Outcome{
	history.Applied: planner.Completed, history.Imported: planner.Completed, history.Resolved: planner.Completed,
	history.Baselined: planner.Completed, history.BaselinedUnverified: planner.Completed,
	history.Failed:  planner.RolledBack,
	history.Running: planner.PartiallyApplied, history.PartiallyApplied: planner.PartiallyApplied, history.Repaired: planner.PartiallyApplied,
}
