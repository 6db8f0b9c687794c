package status

import (
	"time"

	"github.com/shiplock/shiplock/internal/history"
	"github.com/shiplock/shiplock/internal/source"
)

// A Failure is a run that did not complete, from the history table.
type Failure struct {
	Version   uint             `json:"version"`
	Name      string           `json:"name"`
	Direction source.Direction `json:"direction"`
	// Outcome is failed (rolled back), partially applied, or running (it was killed, or
	// is still running).
	Outcome string `json:"outcome"`
	// Error is the position in the file and PostgreSQL's error message.
	Error   string    `json:"error"`
	Started time.Time `json:"started"`
	User    string    `json:"user"`
	Release string    `json:"release,omitempty"`
}

// lastFailure returns the newest of the runs if it failed, or nil.
func lastFailure(entries []history.Entry) *Failure {
	var last *history.Entry
	for i, r := range entries {
		if last == nil || r.Started.After(last.Started) {
			last = &entries[i]
		}
	}
	if last == nil || last.Error == "" {
		return nil
	}
	return &Failure{Version: uint(last.Version), Name: last.Name, Direction: last.Direction, Outcome: last.Outcome,
		Error: last.Error, Started: last.Started, User: last.User, Release: last.Release}
}
