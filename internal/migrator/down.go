package migrator

import (
	"context"

	"github.com/shiplock/shiplock/internal/planner"
	"github.com/shiplock/shiplock/internal/source"
)

// Down rolls back every migration above version to; 0 rolls back all of them, unless there
// is a version 0. For migrations without a file, it runs the down SQL in the history table.
// Errors are those of Up, and *DataLossError.
func Down(ctx context.Context, o Options, to uint) (Result, error) {
	return Run(ctx, o, downTo(to))
}

// DownToFiles rolls back to the newest applied version that has a file.
func DownToFiles(ctx context.Context, o Options) (Result, error) {
	return Run(ctx, o, planner.ForDownToFiles)
}

func downTo(to uint) PlanFunc {
	return func(c *source.Catalog, st planner.State, p planner.Policy) (planner.Plan, error) {
		target := int(to)
		if _, exists := c.Find(0); to == 0 && !exists {
			target = planner.NoVersion
		}
		return planner.ForDown(c, st, target, p)
	}
}
