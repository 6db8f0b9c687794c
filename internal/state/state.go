// Package state reads the state of a database: [Read] returns the [planner.State], which has the
// version, the history and the edited files; [WithHistory] and [WithStoredSQL] merge the files with
// the migrations in the history table, and [Unrecorded] lists those of another tool. An
// [EmptyTableError] reports a version table that lost its row. Packages migrator, rehearsal and status
// call it.
package state

import (
	"context"

	"github.com/shiplock/shiplock/internal/database"
	"github.com/shiplock/shiplock/internal/history"
	"github.com/shiplock/shiplock/internal/planner"
	"github.com/shiplock/shiplock/internal/source"
)

// Read reads the state of the database that the planner needs: the version, the
// history, and which of the applied files were edited.
func Read(ctx context.Context, catalog *source.Catalog, db *database.Database) (planner.State, error) {
	version, err := db.Store.State(ctx)
	if err != nil {
		return planner.State{}, err
	}
	return ReadAt(ctx, catalog, db, version)
}

// ReadAt is Read with a version that was already read.
func ReadAt(ctx context.Context, catalog *source.Catalog, db *database.Database, version history.State) (planner.State, error) {
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
		return ReadAt(ctx, catalog, db, again)
	}
	if err == nil {
		err = checkVersionRow(ctx, catalog, db, st)
	}
	return st, err
}

// ContainsVersion returns a function that reports whether the files have a version.
func ContainsVersion(files *source.Catalog) func(uint) bool {
	return func(version uint) bool {
		_, there := files.Find(version)
		return there
	}
}
