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
func ReadState(ctx context.Context, catalog *source.Catalog, db *database.Database) (planner.State, error) {
	version, err := db.Store.State(ctx)
	if err != nil {
		return planner.State{}, err
	}
	return readRuns(ctx, catalog, db, version)
}

// readRuns is ReadState with a version that was already read.
func readRuns(ctx context.Context, catalog *source.Catalog, db *database.Database, version history.State) (planner.State, error) {
	entries, err := db.Store.LatestEntries(ctx)
	if err != nil {
		return planner.State{}, err
	}
	st := planner.State{Version: version.Version, Dirty: version.Dirty, Table: db.Store.Table.String(), Entries: entries}
	var edited []history.Entry
	for _, r := range entries {
		if _, known := catalog.Find(uint(r.Version)); !known || r.Checksum == "" || !st.IsApplied(r) || r.Version > version.Version && !version.Dirty {
			continue // above the version, another tool has rolled it back
		}
		sum, err := catalog.Checksum(uint(r.Version))
		if err != nil {
			return planner.State{}, err
		}
		if sum != "" && sum != r.Checksum {
			st.Edited = append(st.Edited, uint(r.Version))
			edited = append(edited, r)
		}
	}
	if st.LineEndings, err = lineEndingChanges(ctx, catalog, db, edited); err != nil {
		return planner.State{}, err
	}
	if !versionRowMissing(st) {
		return st, nil
	}
	// Another migrator's first commit may have come between the two queries.
	again, err := db.Store.State(ctx)
	if err == nil && again != version {
		return readRuns(ctx, catalog, db, again)
	}
	if err == nil {
		err = checkVersionRow(ctx, catalog, db, st)
	}
	return st, err
}
