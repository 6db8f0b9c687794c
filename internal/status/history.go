package status

import (
	"context"
	"time"

	"github.com/shiplock/shiplock/internal/database"
	"github.com/shiplock/shiplock/internal/history"
	"github.com/shiplock/shiplock/internal/migrator"
)

// A History lists every run in the history table, oldest first.
type History struct {
	Database string         `json:"database"` // user@host:port/name
	Table    string         `json:"table"`    // schema.table of the version
	Runs     []HistoryEntry `json:"runs"`
}

// A HistoryEntry is one run of one migration.
type HistoryEntry struct {
	ID        int64  `json:"id"`
	Version   uint   `json:"version"`
	Name      string `json:"name"`
	Direction string `json:"direction"` // up or down
	// Outcome is as in RunInfo.
	Outcome           string    `json:"outcome"`
	StatementsApplied int       `json:"statements_applied"`
	StatementsTotal   int       `json:"statements_total"`
	Started           time.Time `json:"started"`
	DurationSeconds   float64   `json:"duration_seconds"`
	User              string    `json:"user"`
	Application       string    `json:"application"`
	Release           string    `json:"release,omitempty"`
	Revision          string    `json:"revision,omitempty"`
	Namespace         string    `json:"namespace,omitempty"`
	Pod               string    `json:"pod,omitempty"`
	Error             string    `json:"error,omitempty"`
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
	events, err := db.Store.Entries(ctx, version)
	for _, e := range events {
		h.Runs = append(h.Runs, HistoryEntry{
			ID: e.ID, Version: uint(e.Version), Name: e.Name, Direction: e.Direction, Outcome: e.Outcome,
			StatementsApplied: e.StatementsApplied, StatementsTotal: e.StatementsTotal, Started: e.Started, DurationSeconds: e.Duration.Seconds(),
			User: e.User, Application: e.Application, Release: e.Release, Revision: e.Revision, Namespace: e.Namespace, Pod: e.Pod, Error: e.Error,
		})
	}
	linkRollbacks(h.Runs)
	return h, err
}

// linkRollbacks links completed downs with the ups that they rolled back.
func linkRollbacks(runs []HistoryEntry) {
	applied := map[uint]*HistoryEntry{} // the ups that are applied
	for i := range runs {
		r := &runs[i]
		if migrator.OutcomeOf(r.Outcome) == migrator.OutcomeOf(history.Failed) {
			continue
		}
		up := applied[r.Version]
		switch {
		case r.Direction == "up":
			applied[r.Version] = r
		case up != nil && migrator.OutcomeOf(r.Outcome) == migrator.OutcomeOf(history.Applied):
			r.RollsBack, up.RolledBackBy = up.ID, r.ID
			delete(applied, r.Version)
		}
	}
}
