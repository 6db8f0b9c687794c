package executor

import (
	"context"
	"errors"
	"time"

	"github.com/shiplock/shiplock/internal/lock"
	"github.com/shiplock/shiplock/internal/migrationerror"
)

// Run applies the migrations in order. If singleTx is set, they are one transaction, which is retried as a
// whole after a lock timeout. applied is the number of migrations that were committed, and executed the
// number of those that ran without an error. Errors are *migrationerror.Error, *script.ScriptError,
// lock.ErrVersionChanged, *lock.LockedError and the context's cause.
func (ex *Executor) Run(ctx context.Context, migrations []Migration, singleTx bool) (applied, executed int, err error) {
	if !singleTx || len(migrations) < 2 {
		executed, err = ex.runEach(ctx, migrations, false)
		return executed, executed, err
	}
	defer ex.monitor.StartWatcher(ctx)()
	var fail *migrationerror.Error
	for r := ex.newRetrier(); r.next(ctx, fail); {
		executed, err = ex.runEach(ctx, migrations, true)
		fail = nil
		errors.As(err, &fail)
	}
	if err != nil {
		return 0, executed, err
	}
	return executed, executed, nil
}

// runEach applies the migrations one after the other. It returns the number of those that ran
// without an error.
func (ex *Executor) runEach(ctx context.Context, migrations []Migration, singleTx bool) (executed int, err error) {
	for i, m := range migrations {
		if ctx.Err() != nil {
			return i, context.Cause(ctx)
		}
		started := time.Now()
		facts := []any{"version", m.Entry.Version, "direction", m.Entry.Direction, "file", m.File}
		ex.log.Info("migration started", facts...)
		if m, err = m.load(); err != nil {
			return i, err
		}
		ex.losses.Guard = m.Guard
		before, message := m.From, "migration completed"
		if singleTx {
			m.continuesTx, m.leavesTxOpen = i > 0, i < len(migrations)-1
			before = migrations[0].From
		}
		if err := ex.runError(m, before.Version, ex.Apply(ctx, m)); err != nil {
			return i, err
		}
		if m.leavesTxOpen {
			message = "migration executed, not committed yet"
		}
		ex.log.Info(message, append(facts, "duration", time.Since(started).Round(time.Millisecond))...)
	}
	return len(migrations), nil
}

// runError returns the error of Run for a failed migration; nil for nil. before is the version
// before the transaction.
func (ex *Executor) runError(m Migration, before int, fail *migrationerror.Error) error {
	switch {
	case fail == nil:
		return nil
	case !lock.MigrationStarted(fail.Err):
		return fail.Err
	}
	fail.Version, fail.Before, fail.VersionTable = m.To.Version, before, ex.store.Table.Name
	fail.FindPosition()
	return m.setFile(fail)
}
