package migrator

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
	newest := applied[len(applied)-1].Version
	refusal := &Refusal{
		Reason: fmt.Sprintf("the version table %s is empty, but the history table records version %d as applied", db.Store.Table, newest),
		Why:    "the catalogs do not show whether another tool rolled the migrations back or the table was emptied; if it was emptied, every migration would run a second time",
		Next:   BaselineAdvice(newest),
	}
	if !db.Resumer.TableExists() {
		refusal.Reason = fmt.Sprintf("the version table %s does not exist, but its history table records version %d as applied", db.Store.Table.String(), newest)
		refusal.Why = "golang-migrate drops its table only together with the history table, so the version table was dropped or renamed; every migration would run a second time"
		return refusal
	}
	made, err := objectsCreatedBy(ctx, files, db, applied)
	if err != nil {
		return err
	}
	found, known, err := db.Resumer.ExistingObject(ctx, made)
	switch {
	case err != nil:
		return err
	case found != "":
		refusal.Why = fmt.Sprintf("the schema still has %s, so the table was emptied and the migrations were not rolled back; every migration would run a second time", found)
		return refusal
	case !known:
		return refusal
	}
	return nil
}

// BaselineAdvice returns how to set the version of a database whose version table lost it.
func BaselineAdvice(newest int) string {
	return fmt.Sprintf("if the schema is at version %[1]d: migrator baseline --version %[1]d --scratch-url URL, which compares the schema first (or --unverified)\n"+
		"if every migration was rolled back: migrator baseline --version 0 --scratch-url URL (or --unverified)", newest)
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
