package status

import (
	"context"

	"github.com/shiplock/shiplock/internal/database"
	"github.com/shiplock/shiplock/internal/history"
	"github.com/shiplock/shiplock/internal/migrator"
	"github.com/shiplock/shiplock/internal/source"
)

// A History lists every run in the history table, oldest first.
type History struct {
	Database string         `json:"database"` // user@host:port/name
	Table    string         `json:"table"`    // schema.table of the version
	Runs     []HistoryEntry `json:"runs"`
}

// A HistoryEntry is one run of one migration.
type HistoryEntry struct {
	history.Entry
	// RollsBack is set for a completed down: the id of the up that it rolled back.
	RollsBack int64 `json:"rolls_back,omitempty"`
	// RolledBackBy is set for a rolled back up: the id of that down.
	RolledBackBy int64 `json:"rolled_back_by,omitempty"`
}

// ReadHistory reads the history table, for one version if it is given. It changes nothing,
// takes no lock, reads no files, and needs only SELECT on the history table.
func ReadHistory(ctx context.Context, o migrator.Options, version *uint) (History, error) {
	db, err := database.Open(ctx, o.Postgres)
	if err != nil {
		return History{}, err
	}
	defer db.Close(o.Log)
	h := History{Database: db.Session.Target(), Table: db.Store.Table.String(), Runs: []HistoryEntry{}}
	entries, err := db.Store.Entries(ctx, version)
	for _, e := range entries {
		h.Runs = append(h.Runs, HistoryEntry{Entry: e})
	}
	linkRollbacks(h.Runs)
	return h, err
}

// linkRollbacks links completed downs with the ups that they rolled back.
func linkRollbacks(runs []HistoryEntry) {
	applied := map[int]*HistoryEntry{} // the ups that are applied
	for i := range runs {
		r := &runs[i]
		if r.Outcome == history.Failed {
			continue
		}
		up := applied[r.Version]
		switch {
		case r.Direction == source.Up:
			applied[r.Version] = r
		case up != nil && !r.IsPartial():
			r.RollsBack, up.RolledBackBy = up.ID, r.ID
			delete(applied, r.Version)
		}
	}
}
