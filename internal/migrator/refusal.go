package migrator

import (
	"errors"

	"github.com/shiplock/shiplock/internal/planner"
)

// A Refusal is an error of a command that a retry does not fix, and none of planning.
type Refusal struct {
	Reason string // one line
	Why    string // cause
	Next   string // advice
}

func (r *Refusal) Error() string { return r.Reason }

// IsRefused reports whether planning or a command refused to run.
func IsRefused(err error) bool {
	var planning *planner.Refusal
	var refusal *Refusal
	return errors.As(err, &planning) || errors.As(err, &refusal)
}
