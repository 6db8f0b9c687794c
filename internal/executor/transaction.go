package executor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"

	"github.com/shiplock/shiplock/internal/history"
	"github.com/shiplock/shiplock/internal/lock"
	"github.com/shiplock/shiplock/internal/migrationerror"
	"github.com/shiplock/shiplock/internal/postgres"
	"github.com/shiplock/shiplock/internal/script"
)

// The end guard fails with SQLSTATE 3B001 or 25P01 if SQL that could not be parsed has ended the
// transaction.
const (
	endGuardOpen  = "SAVEPOINT shiplock;\n"
	endGuardClose = "RELEASE SAVEPOINT shiplock;\n"
)

// backendExitTimeout is the time within which a backend detects a lost client and exits; see
// KeepaliveSQL. A backend that waits for a synchronous standby does not.
const backendExitTimeout = 10 * time.Second

func requiresNoTransaction(err error) bool {
	return pq.As(err, pqerror.ActiveSQLTransaction, pqerror.InvalidTransactionTermination) != nil
}

// retryTransaction calls runTransaction, and again after a lock timeout.
func (ex *Executor) retryTransaction(ctx context.Context, m Migration) (fail *migrationerror.Error) {
	for r := ex.newRetrier(); r.next(ctx, fail); {
		fail = ex.runTransaction(ctx, m)
	}
	return fail
}

// runTransaction runs the SQL and writes the version and history row in one transaction, in two
// round trips: either all of it is committed or none. If several migrations share one transaction,
// the first begins it and the last commits.
func (ex *Executor) runTransaction(ctx context.Context, m Migration) *migrationerror.Error {
	s := m.Script
	begin := s.TitleComment()
	if !m.continuesTx {
		ex.savedTxState = txState{ex.store.VersionTableExists, ex.store.HistoryExists, ex.session.Server.Plpgsql}
		begin += s.Begin + ";\n"
		var err error
		if begin, err = ex.locker.Begin(ctx, begin, m.From); err != nil {
			return ex.rollbackMigration(ctx, migrationerror.Wrap(s, err))
		}
		if begin == "" {
			begin = s.TitleComment()
		}
	}
	head, creates := ex.openingSQL(s, begin)
	batches := s.ReadBatches()
	defer batches.Close()
	for batches.Next() {
		if fail := ex.sender.Send(ctx, head, batches.Batch(), ""); fail != nil {
			return ex.rollbackMigration(ctx, fail)
		}
		head = ""
	}
	err := batches.Err()
	if err == nil && head != "" { // the script has no statements
		err = ex.session.Exec(ctx, head)
	}
	if err != nil {
		return ex.rollbackMigration(ctx, migrationerror.Wrap(s, err))
	}
	return ex.finishTransaction(ctx, m, creates)
}

// finishTransaction writes the version and the history row after the SQL of a migration, and
// commits, unless another migration follows in the transaction. created is set if the transaction
// has created the version table.
func (ex *Executor) finishTransaction(ctx context.Context, m Migration, created bool) *migrationerror.Error {
	s := m.Script
	m.Entry.Outcome, m.Entry.StatementsApplied = history.Applied, m.Entry.StatementsTotal
	state := ex.store.WriteVersionSQL(m.To)
	if created {
		state = strings.TrimPrefix(state, ex.store.CreateVersionTableSQL()) // avoids the server's notice that the table exists
	}
	finish := ex.session.CheckConstraintsSQL(m.leavesTxOpen) + ex.losses.CheckSQL() + ex.resetSQL() + ex.recordingMarkerSQL() + ex.session.ReplaceUnencodable(ex.store.InsertSQL(m.Entry)+state)
	if !m.leavesTxOpen {
		finish += "COMMIT;"
	}
	if s.NeedsEndGuard() {
		finish = endGuardClose + finish
	}
	ex.monitor.Position.SetActivity("finishing the migration")
	ex.recordingStarted.Store(false)
	if err := ex.session.Exec(ctx, finish); err != nil {
		fail := &migrationerror.Error{Script: s, Outcome: migrationerror.RolledBack, Err: err, FailedIndex: len(s.Statements), Offset: -1}
		if code := pq.As(err, pqerror.SEInvalidSpecification, pqerror.NoActiveSQLTransaction); code != nil && s.NeedsEndGuard() {
			fail.Outcome, fail.Err = migrationerror.Unknown, fmt.Errorf("the file ended the transaction, so its statements up to that point are committed: %w", err)
		}
		if pq.As(err, pqerror.DivisionByZero) != nil {
			fail.Err = errors.Join(lock.ErrLost, err)
		} else if fail.Outcome == migrationerror.RolledBack {
			fail.RecordingFailed = ex.isRecordingError(err)
		}
		return ex.resolveCommit(ctx, fail, m)
	}
	ex.session.TxOpen = ex.session.Shared && m.leavesTxOpen
	ex.store.VersionTableExists, ex.store.HistoryExists = true, !ex.store.HistoryUnavailable
	return nil
}

// rollbackMigration rolls the failed transaction back. A lost session has already done so.
func (ex *Executor) rollbackMigration(ctx context.Context, fail *migrationerror.Error) *migrationerror.Error {
	ex.session.TxOpen = false
	ex.store.VersionTableExists, ex.store.HistoryExists, ex.session.Server.Plpgsql = ex.savedTxState.versionTableExists, ex.savedTxState.historyExists, ex.savedTxState.plpgsql
	if ctx.Err() != nil {
		return fail
	}
	if err := ex.session.Rollback(ctx, ex.resetSQL()); err != nil {
		fail.Err = errors.Join(fail.Err, err)
	}
	return fail
}

// resolveCommit determines the outcome of a transaction whose COMMIT was not answered.
func (ex *Executor) resolveCommit(ctx context.Context, fail *migrationerror.Error, m Migration) *migrationerror.Error {
	var server *pq.Error
	if fail.Outcome == migrationerror.Unknown || m.leavesTxOpen || errors.As(fail.Err, &server) {
		return ex.rollbackMigration(ctx, fail)
	}
	fail.Outcome = migrationerror.Unknown
	now, err := ex.readVersionAfterLoss(ctx)
	switch {
	case err != nil:
		fail.Err = errors.Join(fail.Err, err)
	case now == m.To && now != m.From:
		return nil
	default:
		fail.Outcome = migrationerror.RolledBack
	}
	return fail
}

// readVersionAfterLoss reads the version in a new session after the connection was lost. It waits
// for the lock: while the lost session's backend holds it, its COMMIT may still be running
// (deferred constraints, a synchronous standby) and is not visible.
func (ex *Executor) readVersionAfterLoss(ctx context.Context) (history.State, error) {
	limit := backendExitTimeout
	if ctx.Err() != nil {
		limit, ctx = postgres.CleanupTimeout, context.WithoutCancel(ctx)
	}
	short, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var st history.State
	ex.log.Info("connection lost during commit; waiting for the server to end the session", "time_left", limit)
	second, err := ex.store.OpenSecond(short)
	if err == nil {
		_, err = lock.Acquire(short, second, lock.Options{Wait: limit - postgres.CleanupTimeout/2, Log: slog.New(slog.DiscardHandler)})
		if err == nil {
			st, err = second.State(short)
		}
		err = errors.Join(err, second.Close())
	}
	var locked *lock.LockedError
	if errors.As(err, &locked) || short.Err() != nil && ctx.Err() == nil {
		// For the caller, this is not a lock held by another migrator.
		err = fmt.Errorf("could not determine within %s whether the server has ended the session", limit)
	}
	return st, err
}

// openingSQL returns the SQL before a script that is one transaction, which begin opens, and
// whether it creates the version table. Like golang-migrate, it creates a missing version table
// first: the first migration may grant privileges on it.
func (ex *Executor) openingSQL(s *script.Script, begin string) (head string, creates bool) {
	head = begin + ex.timeoutsSQL("SET LOCAL", ex.session.Opts.LockTimeout)
	if s.NeedsEndGuard() {
		head += endGuardOpen
	}
	// The first migration may create the schema of the version table.
	if creates = !s.StartsWithSetTransaction() && !ex.store.SchemaMissing(); creates {
		head += ex.store.CreateVersionTableSQL()
	}
	if !s.StartsWithSetTransaction() {
		head += ex.losses.BaselineSQL()
	}
	return head, creates
}
