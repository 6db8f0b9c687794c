package migrator

import (
	"context"
	"errors"
	"fmt"

	"github.com/shiplock/shiplock/internal/database"
	"github.com/shiplock/shiplock/internal/dataloss"
	"github.com/shiplock/shiplock/internal/lint"
	"github.com/shiplock/shiplock/internal/migrationerror"
	"github.com/shiplock/shiplock/internal/planner"
	"github.com/shiplock/shiplock/internal/source"
)

// A DataLossError reports a rollback that would lose data. It was not started, or its last
// migration was rolled back, for example because rows were committed after the count.
type DataLossError struct {
	From, To int
	Losses   []dataloss.Loss
	Run      *RunError // nil if nothing was run
}

func (e *DataLossError) Error() string {
	return fmt.Sprintf("rolling back from version %d would delete data: %s", e.From, e.Losses[0])
}

func (e *DataLossError) Unwrap() error {
	if e.Run == nil {
		return nil
	}
	return e.Run
}

// asDataLossError returns a *DataLossError for a run that ended because it would have lost
// data. The error of a partially applied migration is returned unchanged.
func asDataLossError(p planner.Plan, err error) error {
	var run *RunError
	var fail *migrationerror.Error
	if !errors.As(err, &run) || !errors.As(err, &fail) || fail.DataLoss == nil || fail.Outcome != migrationerror.RolledBack {
		return err
	}
	return &DataLossError{From: p.From, To: lowestTarget(p), Losses: []dataloss.Loss{*fail.DataLoss}, Run: run}
}

// lowestTarget returns the version after the last rollback of a plan.
func lowestTarget(p planner.Plan) int {
	to := p.To
	for _, s := range p.Steps {
		if s.Direction == source.Down {
			to = s.Target
		}
	}
	return to
}

// checkDataLoss refuses a plan that would lose data, or logs the loss if it is allowed. It
// returns the objects that each step of the plan creates itself.
func checkDataLoss(ctx context.Context, o Options, db *database.Database, d decision) ([]lint.OwnObjects, error) {
	losses, own, err := db.Losses.Find(ctx, d.catalog, d.plan.Steps, d.statementsApplied)
	if err == nil && len(losses) > 0 && !o.AllowDataLoss {
		err = &DataLossError{From: d.plan.From, To: lowestTarget(d.plan), Losses: losses}
	}
	if err != nil {
		return nil, err
	}
	for _, l := range losses {
		o.Log.Warn("rollback deletes data", "data_loss", l.String())
	}
	return own, nil
}
