package migrator

import (
	"errors"

	"github.com/shiplock/shiplock/internal/planner"
)

// runTotals holds the results of the earlier plans of a run that took several plans.
type runTotals struct {
	began bool
	from  int
	done  []planner.Step
}

// add adds a plan that did not complete. It reports whether the plan applied any migration.
func (t *runTotals) add(err error) bool {
	var run *RunError
	if !errors.As(err, &run) {
		return false
	}
	if !t.began {
		t.began, t.from = true, run.Plan.From
	}
	t.done = append(t.done, run.Plan.Steps[:run.Applied]...)
	run.Plan.Steps = run.Plan.Steps[run.Applied:]
	progressed := run.Applied > 0
	run.Applied = 0
	return progressed
}

// result returns the result of the last plan, combined with those of the earlier ones.
func (t *runTotals) result(r Result) Result {
	if t.began {
		r.From, r.Applied, r.Steps = t.from, len(t.done)+r.Applied, append(t.done, r.Steps...)
	}
	return r
}

// runError returns the error that ended the last plan, combined with the results of the earlier ones.
func (t *runTotals) runError(err error) error {
	if len(t.done) == 0 {
		return err
	}
	var run *RunError
	if !errors.As(err, &run) {
		run = &RunError{Err: err, Plan: planner.Plan{To: t.done[len(t.done)-1].Target}}
		err = run
	}
	run.Plan.From, run.Plan.Steps, run.Applied = t.from, append(t.done, run.Plan.Steps...), len(t.done)
	return err
}
