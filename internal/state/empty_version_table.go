package state

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/shiplock/shiplock/internal/database"
	"github.com/shiplock/shiplock/internal/history"
	"github.com/shiplock/shiplock/internal/planner"
	"github.com/shiplock/shiplock/internal/resume"
	"github.com/shiplock/shiplock/internal/source"
)

// An EmptyTableError reports a version table without a version, although the history table records
// applied migrations. A run would apply them a second time.
type EmptyTableError struct {
	Table  string // the version table
	Newest int    // newest applied version in the history table
	// Missing is set if the table does not exist. golang-migrate drops it only together with the
	// history table, so it was dropped or renamed.
	Missing bool
	// Object is an object of the migrations that exists, so that they were not rolled back; empty if
	// the catalogs do not show whether they were.
	Object string
}

func (e *EmptyTableError) Error() string {
	if e.Missing {
		return fmt.Sprintf("the version table %s does not exist, but its history table records version %d as applied", e.Table, e.Newest)
	}
	return fmt.Sprintf("the version table %s is empty, but the history table records version %d as applied", e.Table, e.Newest)
}

// versionRowMissing reports whether the version table has no version although the history
// table records applied migrations.
func versionRowMissing(st planner.State) bool {
	return st.Version == planner.NoVersion && !st.Dirty && slices.ContainsFunc(st.Entries, st.IsApplied)
}

// checkVersionRow refuses a database whose version table has lost its row. golang-migrate
// also leaves an empty table after it has rolled back every migration; then the objects of
// the migrations do not exist, and the rollback is imported. See ADR 14.
func checkVersionRow(ctx context.Context, files *source.Catalog, db *database.Database, st planner.State) error {
	applied := slices.DeleteFunc(slices.Clone(st.Entries), func(e history.Entry) bool { return !st.IsApplied(e) })
	refusal := &EmptyTableError{Table: st.Table, Newest: applied[len(applied)-1].Version, Missing: !db.Resumer.TableExists()}
	if refusal.Missing {
		return refusal
	}
	made, err := objectsCreatedBy(ctx, files, db, applied)
	if err != nil {
		return err
	}
	found, known, err := db.Resumer.ExistingObject(ctx, made)
	if err != nil || known && found == "" {
		return err
	}
	refusal.Object = found
	return refusal
}

// objectsCreatedBy returns the objects that applied migrations created, according to the stored SQL or else the files.
func objectsCreatedBy(ctx context.Context, files *source.Catalog, db *database.Database, applied []history.Entry) (resume.CreatedObjects, error) {
	var made resume.CreatedObjects
	ran, err := db.Store.StoredSQL(ctx, applied)
	if err != nil {
		return made, err
	}
	for _, r := range applied {
		name := fmt.Sprintf("%d_%s.up.sql", r.Version, r.Name)
		var sql io.Reader = strings.NewReader(ran[r.Version].Up)
		if m, here := files.Find(uint(r.Version)); here && m.Up != "" {
			name = m.Up
			if ran[r.Version].Up == "" {
				f, err := files.OpenFile(m.Up)
				if err != nil {
					return made, err
				}
				defer f.Close()
				sql = f
			}
		}
		if err := made.Add(name, sql); err != nil {
			continue // unreadable SQL proves nothing
		}
	}
	return made, nil
}
