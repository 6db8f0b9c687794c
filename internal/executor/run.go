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
		for i, m := range migrations {
			if err := ex.apply(ctx, migrations, i, false); err != nil {
				return i, i, err
			}
			ex.logCompleted("migration completed", m)
		}
		return len(migrations), len(migrations), nil
	}
	err = ex.retryAllOnLockTimeout(ctx, func() error {
		for executed = range migrations {
			if err := ex.apply(ctx, migrations, executed, true); err != nil {
				return err
			}
			message := "migration executed, not committed yet"
			if executed == len(migrations)-1 {
				message = "migration completed"
			}
			ex.logCompleted(message, migrations[executed])
		}
		executed = len(migrations)
		return nil
	})
	if err != nil {
		return 0, executed, err
	}
	return executed, executed, nil
}

// apply applies one of the migrations.
func (ex *Executor) apply(ctx context.Context, migrations []Migration, i int, singleTx bool) error {
	m := migrations[i]
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	ex.started = time.Now()
	ex.log.Info("migration started", "version", m.Entry.Version, "direction", m.Entry.Direction, "file", m.File)
	m, err := m.load()
	if err != nil {
		return err
	}
	ex.losses.Guard = m.Guard
	before := m.From
	if singleTx {
		m.continuesTx, m.leavesTxOpen = i > 0, i < len(migrations)-1
		before = migrations[0].From
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

// logCompleted logs the end of a migration.
func (ex *Executor) logCompleted(message string, m Migration) {
	ex.log.Info(message, "version", m.Entry.Version, "direction", m.Entry.Direction, "file", m.File,
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
