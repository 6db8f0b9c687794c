package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/shiplock/shiplock/internal/plan"
	"github.com/shiplock/shiplock/internal/postgres"
	"github.com/shiplock/shiplock/internal/source"
)

// Down undoes every migration above version to; 0 undoes all of them, unless there
// is a version 0. What the files here do not have is undone as the journal has it.
// Errors are those of Up, and *DataLossError.
func Down(ctx context.Context, o Options, to uint) (Result, error) {
	return run(ctx, o, downTo(to))
}

// DownToFiles is Down to the newest version of the files that is applied.
func DownToFiles(ctx context.Context, o Options) (Result, error) {
	return run(ctx, o, plan.ForDownToFiles)
}

func downTo(to uint) planner {
	return func(c *source.Catalog, st plan.State, p plan.Policy) (plan.Plan, error) {
		target := int(to)
		if _, exists := c.Find(0); to == 0 && !exists {
			target = plan.NoVersion
		}
		return plan.ForDown(c, st, target, p)
	}
}

// DataLossError is a rollback that would lose data. It was not begun, or its last
// migration was rolled back: rows were committed after the count, say.
type DataLossError struct {
	From, To int
	Losses   []postgres.DataLoss
	Run      *RunError // nil where nothing was run
}

func (e *DataLossError) Error() string {
	return fmt.Sprintf("going down from version %d would lose data: %s", e.From, e.Losses[0])
}

func (e *DataLossError) Unwrap() error {
	if e.Run == nil {
		return nil
	}
	return e.Run
}

// asDataLossError gives a run that ended because it would have lost data its own type. One that
// is partially applied stays what it is.
func asDataLossError(p plan.Plan, err error) error {
	var run *RunError
	var fail *postgres.MigrationError
	if !errors.As(err, &run) || !errors.As(err, &fail) || fail.DataLoss == nil || fail.Outcome != postgres.RolledBack {
		return err
	}
	return &DataLossError{From: p.From, To: lowestTarget(p), Losses: []postgres.DataLoss{*fail.DataLoss}, Run: run}
}

// lowestTarget is where the last step down of a plan leads.
func lowestTarget(p plan.Plan) int {
	to := p.To
	for _, s := range p.Steps {
		if s.Direction == plan.Down {
			to = s.Target
		}
	}
	return to
}

// checkDataLoss refuses a plan that would lose data, or logs what goes. It returns what
// each step of the plan has created itself.
func checkDataLoss(ctx context.Context, o Options, db *postgres.DB, d decision) ([]postgres.OwnObjects, error) {
	own := make([]postgres.OwnObjects, len(d.plan.Steps))
	if !d.plan.RollsBack() {
		return own, nil
	}
	steps, err := postgresSteps(d.catalog, d.plan)
	if err != nil {
		return nil, err
	}
	losses, err := db.DataLosses(ctx, steps)
	if err == nil && len(losses) > 0 && !o.AllowDataLoss {
		err = &DataLossError{From: d.plan.From, To: lowestTarget(d.plan), Losses: losses}
	}
	if err != nil {
		return nil, err
	}
	for _, l := range losses {
		o.Log.Warn("data goes, as --allow-data-loss allows", "loses", l.String())
	}
	for i, s := range steps {
		own[i] = s.Own
	}
	return own, nil
}
