package executor

import (
	"context"
	"errors"
	"time"

	"github.com/shiplock/shiplock/internal/dataloss"
	"github.com/shiplock/shiplock/internal/history"
	"github.com/shiplock/shiplock/internal/lint"
	"github.com/shiplock/shiplock/internal/lock"
	"github.com/shiplock/shiplock/internal/migrationerror"
	"github.com/shiplock/shiplock/internal/script"
)

// Run applies the steps in order. If singleTx is set, they are one transaction, which is retried as a
// whole after a lock timeout. applied is the number of steps that were committed, and executed the
// number of those that ran without an error. Errors are *migrationerror.Error, *script.ScriptError,
// lock.ErrVersionChanged, *lock.LockedError and the context's cause.
func (ex *Executor) Run(ctx context.Context, steps []lint.Step, singleTx bool) (applied, executed int, err error) {
	if !singleTx || len(steps) < 2 {
		for i, step := range steps {
			if err := ex.apply(ctx, steps, i, false); err != nil {
				return i, i, err
			}
			ex.logCompleted("migration completed", step)
		}
		return len(steps), len(steps), nil
	}
	err = ex.retryAllOnLockTimeout(ctx, func() error {
		for executed = range steps {
			if err := ex.apply(ctx, steps, executed, true); err != nil {
				return err
			}
			message := "migration executed, not committed yet"
			if executed == len(steps)-1 {
				message = "migration completed"
			}
			ex.logCompleted(message, steps[executed])
		}
		executed = len(steps)
		return nil
	})
	if err != nil {
		return 0, executed, err
	}
	return executed, executed, nil
}

// apply applies one step.
func (ex *Executor) apply(ctx context.Context, steps []lint.Step, i int, singleTx bool) error {
	step := steps[i]
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	ex.started = time.Now()
	ex.log.Info("migration started", "version", step.Version, "direction", step.Direction, "file", step.File)
	s, err := script.LoadFile(step.File, step.Open)
	if err == nil && step.Resume && step.StatementsApplied > 0 {
		err = s.LoadStatements()
	}
	if err != nil {
		return err
	}
	ex.losses.Guard = dataloss.Guard{Active: step.GuardDataLoss, Own: step.Own}
	m := newMigration(step, s)
	m.From, m.number, m.of = history.State{Version: step.From}, i+1, len(steps)
	if i > 0 {
		m.From.Version = steps[i-1].Target
	}
	before := m.From
	if singleTx {
		m.continuesTx, m.leavesTxOpen = i > 0, i < len(steps)-1
		before.Version = steps[0].From
	}
	fail := ex.Apply(ctx, m)
	switch {
	case fail == nil:
		return nil
	case !lock.MigrationStarted(fail.Err):
		return fail.Err
	}
	fail.Version, fail.Before, fail.VersionTable = m.To.Version, before.Version, ex.store.Table.Name
	fail.FindPosition()
	return m.setFile(fail)
}

// logCompleted logs the end of a step.
func (ex *Executor) logCompleted(message string, step lint.Step) {
	ex.log.Info(message, "version", step.Version, "direction", step.Direction, "file", step.File,
		"duration", time.Since(ex.started).Round(time.Millisecond))
}

// retryAllOnLockTimeout calls run, which applies several migrations in one transaction, and repeats
// it, after a pause, while it fails with a lock timeout.
func (ex *Executor) retryAllOnLockTimeout(ctx context.Context, run func() error) error {
	var err error
	_ = ex.retryOnLockTimeout(ctx, func() *migrationerror.Error { // err has its error, and those of other types
		var fail *migrationerror.Error
		if err = run(); errors.As(err, &fail) {
			return fail
		}
		return nil
	})
	return err
}
