package engine

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/shiplock/shiplock/internal/plan"
	"github.com/shiplock/shiplock/internal/postgres"
	"github.com/shiplock/shiplock/internal/source"
)

// versionRowMissing reports whether the version table has no version, and the history knows
// migrations that are applied.
func versionRowMissing(st plan.State) bool {
	return st.Version == plan.NoVersion && !st.Dirty && slices.ContainsFunc(st.Runs, plan.Run.IsApplied)
}

// checkVersionRow refuses a database whose version table has lost its row. golang-migrate leaves
// an empty table, too, after it has rolled back every migration; then the objects of the
// migrations are gone, and its work is imported. See ADR 14.
func checkVersionRow(ctx context.Context, files *source.Catalog, db *postgres.DB, st plan.State, journal []postgres.Run) error {
	applied := slices.DeleteFunc(slices.Clone(journal), func(r postgres.Run) bool {
		return !slices.ContainsFunc(st.Runs, func(s plan.Run) bool { return s.Version == r.Version && s.IsApplied() })
	})
	newest := applied[len(applied)-1].Version
	refusal := &plan.Refusal{
		Reason: fmt.Sprintf("the version table %s is empty, but the history has version %d as applied", db.Table(), newest),
		Why:    "nothing tells whether another tool has rolled the migrations back, or the table was emptied; if it was, every migration would run a second time",
		Next:   baselineAdvice(newest),
	}
	if !db.TableExists() {
		refusal.Reason = fmt.Sprintf("the version table %s does not exist, but the history beside it has version %d as applied", db.Table(), newest)
		refusal.Why = "golang-migrate does not drop its table without the history table, so the version table was dropped or renamed; every migration would run a second time"
		return refusal
	}
	made, err := objectsCreatedBy(ctx, files, db, applied)
	if err != nil {
		return err
	}
	found, known, err := db.ExistingObject(ctx, made)
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

func baselineAdvice(newest int) string {
	return fmt.Sprintf("if the schema is at version %[1]d: migrator baseline --version %[1]d --scratch-url URL, which compares first (or --unverified)\n"+
		"if every migration was rolled back: migrator baseline --version 0 --scratch-url URL (or --unverified)", newest)
}

// objectsCreatedBy follows what applied migrations have made, by the SQL that ran, or else by the files.
func objectsCreatedBy(ctx context.Context, files *source.Catalog, db *postgres.DB, applied []postgres.Run) (postgres.CreatedObjects, error) {
	var made postgres.CreatedObjects
	ran, err := db.StoredSQL(ctx, applied)
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
			continue // what cannot be read proves nothing
		}
	}
	return made, nil
}
