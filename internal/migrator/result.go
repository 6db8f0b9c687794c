package migrator

import (
	"fmt"

	"github.com/shiplock/shiplock/internal/planner"
	"github.com/shiplock/shiplock/internal/source"
)

// A Result is the outcome of a successful run.
type Result struct {
	From, To int // versions, planner.NoVersion for none
	Applied  int // number of migrations run
	Newer    bool
	Ahead    []source.Migration // with Newer: applied migrations above the newest file that the history table records
	Steps    []planner.Step     // the steps run, in order
}

// RolledBack returns the migrations that were rolled back.
func (r Result) RolledBack() []source.Migration { return planner.InDirection(r.Steps, source.Down) }

// A RunError is a run that started and did not complete.
type RunError struct {
	Plan       planner.Plan
	Applied    int // number of migrations of the plan that were applied
	RolledBack int // number of migrations that had run and were rolled back with the one that failed
	Err        error
}

func (e *RunError) Error() string { return e.Err.Error() }

func (e *RunError) Unwrap() error { return e.Err }

// At returns the version after the last completed migration of the run.
func (e *RunError) At() int {
	if e.Applied == 0 {
		return e.Plan.From
	}
	return e.Plan.Steps[e.Applied-1].Target
}

// An IncompleteError reports that a run ended without an error, but the database is
// not at the version the plan ends with.
type IncompleteError struct {
	Want, Got int
	Dirty     bool
}

func (e *IncompleteError) Error() string {
	return fmt.Sprintf("the database is at version %d (dirty: %t) after the run, not at %d: another process changed the version table", e.Got, e.Dirty, e.Want)
}

func resultOf(p planner.Plan, applied int) Result {
	return Result{From: p.From, To: p.To, Applied: applied, Newer: p.Newer, Ahead: p.Ahead, Steps: p.Steps[:applied]}
}
