package state

import (
	"context"
	"fmt"

	"github.com/shiplock/shiplock/internal/database"
	"github.com/shiplock/shiplock/internal/history"
	"github.com/shiplock/shiplock/internal/planner"
	"github.com/shiplock/shiplock/internal/script"
	"github.com/shiplock/shiplock/internal/source"
)

// WithHistory returns the catalog of the files merged with the migrations that the history
// table records as applied or partially rolled back. imported are the migrations that
// another tool has run since.
func WithHistory(files *source.Catalog, st planner.State, imported []history.Entry, p planner.Policy) (*source.Catalog, error) {
	isImported := map[int]bool{} // whether the import is an up
	for _, r := range imported {
		isImported[r.Version] = r.Direction == source.Up
	}
	var recorded []source.RecordedMigration
	for _, r := range st.Entries {
		applied := st.IsApplied(r)
		up, again := isImported[r.Version]
		if again {
			applied = up
		}
		if !applied && !r.IncompleteDown() {
			continue
		}
		if again {
			r.Stored, r.Outcome = history.StoredMigration{DownSize: history.SizeUnknown}, history.Imported
		}
		m, err := recordedMigration(files, st, r, p)
		if err != nil {
			return nil, err
		}
		recorded = append(recorded, m)
	}
	return files.WithHistory(recorded), nil
}

func recordedMigration(files *source.Catalog, st planner.State, r history.Entry, p planner.Policy) (source.RecordedMigration, error) {
	v := uint(r.Version)
	m := source.RecordedMigration{
		Version: v, Name: r.Name, Checksum: r.Checksum, HasUp: r.Stored.HasUp, HasDown: r.Stored.HasDown || r.IncompleteDown(),
		Irreversible: r.Stored.Irreversible,
	}
	m.NoDown = missingDownReason(r)
	file, here := files.Find(v)
	if !here {
		return m, nil
	}
	sum, err := files.Checksum(v)
	if err != nil {
		return m, err
	}
	m.Differs = sum != "" && r.Checksum != "" && sum != r.Checksum && p.OnEdited != planner.AllowEdited
	if m.Differs && !m.HasDown {
		how := "it was edited after it ran"
		if _, same := st.LineEndings[v]; same {
			how = "its line endings differ"
		}
		m.NoDown = fmt.Sprintf("%s differs from the SQL that ran (%s), and %s", file.Up, how, m.NoDown)
	}
	if !m.Differs && r.Stored.DownSize == history.SizeUnknown { // the history table does not record it
		directives, err := files.Directives(v)
		if err != nil {
			return m, err
		}
		m.Irreversible = directives.Irreversible
	}
	return m, nil
}

// missingDownReason returns why there is no down SQL; it completes "cannot be rolled back:".
func missingDownReason(r history.Entry) string {
	switch {
	case r.Outcome == history.Imported:
		return "another tool applied it, so its SQL is not in the history table"
	case !r.Stored.HasUp && (r.Outcome == history.Baselined || r.Outcome == history.BaselinedUnverified):
		return "a baseline recorded it, so its SQL is not in the history table"
	case r.Stored.DownSize > script.MaxStoredSQL:
		return fmt.Sprintf("its down file has %.1f MB, and the history table stores at most %d MB", float64(r.Stored.DownSize)/(1<<20), script.MaxStoredSQL>>20)
	case r.Stored.DownSize > 0:
		return "its down SQL contains a password, or characters that the database encoding does not support, so it is not in the history table"
	case r.Stored.DownSize == history.NoFile && r.Stored.HasUp:
		return "it had no down file when it was applied"
	}
	return "its down SQL is not in the history table: there was none, or it was larger than 1 MB"
}

// WithStoredSQL returns the catalog with the SQL of those steps whose file exists only in the
// history table.
func WithStoredSQL(ctx context.Context, catalog *source.Catalog, db *database.Database, st planner.State, p planner.Plan) (*source.Catalog, error) {
	var runs []history.Entry
	for _, s := range p.Steps {
		_, upStored := source.FromHistory(s.Migration.Up)
		_, downStored := source.FromHistory(s.Migration.Down)
		if !upStored && !downStored {
			continue
		}
		if e := st.Entry(s.Migration.Version); e != nil {
			runs = append(runs, *e)
		}
	}
	sql, err := db.Store.StoredSQL(ctx, runs)
	if len(sql) == 0 {
		return catalog, err
	}
	recorded := make(map[uint]source.RecordedSQL, len(sql))
	for version, text := range sql {
		recorded[uint(version)] = source.RecordedSQL{Up: text.Up, Down: text.Down}
	}
	return catalog.WithRecordedSQL(recorded), err
}
