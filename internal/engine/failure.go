package engine

import (
	"time"

	"github.com/shiplock/shiplock/internal/postgres"
)

// Failure is a run that did not come to its end, as the journal has it.
type Failure struct {
	Version   uint   `json:"version"`
	Name      string `json:"name"`
	Direction string `json:"direction"`
	// Outcome is failed (nothing of it is in effect), stopped (part of it is) or
	// running (it has died, or is at work).
	Outcome string `json:"outcome"`
	// Error is the place in the file and PostgreSQL's words.
	Error   string    `json:"error"`
	Started time.Time `json:"started"`
	User    string    `json:"user"`
	Release string    `json:"release,omitempty"`
}

// lastFailure is the newest of the runs, if it has failed.
func lastFailure(journal []postgres.Run) *Failure {
	var last *postgres.Run
	for i, r := range journal {
		if last == nil || r.Started.After(last.Started) {
			last = &journal[i]
		}
	}
	if last == nil || last.Error == "" {
		return nil
	}
	return &Failure{Version: uint(last.Version), Name: last.Name, Direction: last.Direction, Outcome: last.Outcome,
		Error: last.Error, Started: last.Started, User: last.User, Release: last.Release}
}
