package engine

import (
	"context"
	"fmt"

	"github.com/shiplock/shiplock/internal/plan"
	"github.com/shiplock/shiplock/internal/postgres"
	"github.com/shiplock/shiplock/internal/source"
)

// Down undoes every migration above version to; 0 undoes all of them, unless there
// is a version 0. What the files here do not have is undone as the journal has it.
// Errors are those of Up, and *LossError.
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

// LossError is a way down that was not begun, because it would lose data.
type LossError struct {
	From, To int
	Losses   []postgres.Loss
}

func (e *LossError) Error() string {
	return fmt.Sprintf("going down from version %d would lose data: %s", e.From, e.Losses[0])
}

// lowest is where the last step down of a plan leads.
func lowest(p plan.Plan) int {
	to := p.To
	for _, s := range p.Steps {
		if s.Direction == plan.Down {
			to = s.Target
		}
	}
	return to
}

// guardData refuses a plan that would lose data, or says what goes.
func guardData(ctx context.Context, o Options, db *postgres.DB, d decision) error {
	if !d.plan.GoesDown() {
		return nil
	}
	steps, err := stepsOf(d.catalog, d.plan)
	if err != nil {
		return err
	}
	losses, err := db.Losses(ctx, steps)
	if err != nil || len(losses) == 0 {
		return err
	}
	if !o.AllowDataLoss {
		return &LossError{From: d.plan.From, To: lowest(d.plan), Losses: losses}
	}
	for _, l := range losses {
		o.Log.Warn("data goes, as --allow-data-loss allows", "loses", l.String())
	}
	return nil
}
