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
	"github.com/shiplock/shiplock/internal/postgres"
	"github.com/shiplock/shiplock/internal/resume"
	"github.com/shiplock/shiplock/internal/script"
)

// The end guard fails with SQLSTATE 3B001 or 25P01 if SQL that could not be parsed has ended the
// transaction.
const (
	endGuardOpen  = "SAVEPOINT shiplock;\n"
	endGuardClose = "RELEASE SAVEPOINT shiplock;\n"
)

// recordTimeout limits writing the history row of a migration that was stopped by a signal or
// timeout. It is longer than CleanupTimeout, because a drained node is often busy, and well below
// the 30 s that Kubernetes gives a pod to terminate.
const recordTimeout = 8 * time.Second

// backendExitTimeout is the time within which a backend detects a lost client and exits; see
// KeepaliveSQL. A backend that waits for a synchronous standby does not.
const backendExitTimeout = 10 * time.Second

// markerPrefix precedes the number of a statement in the notices by which the server reports its
// progress.
const markerPrefix = "shiplock statement "

// A Migration is a script that changes the version from one to another.
type Migration struct {
	Script   *script.Script
	From, To history.State
	Entry    history.Entry // history row
	// Resume is set if the first Entry.StatementsApplied statements have been applied and the version is marked
	// dirty.
	resume bool
	// ContinuesTx is set unless the migration is the first of several in one transaction, and
	// leavesTxOpen unless it is the last.
	continuesTx, leavesTxOpen bool
	number, of                int // 1-based position in the plan
	trace                     *resume.SessionTrace
}

// SetFile adds the file and version to an error.
func (m Migration) setFile(fail *MigrationError) *MigrationError {
	fail.File, fail.FileVersion, fail.Direction = m.Script.Name, m.Entry.Version, m.Entry.Direction
	return fail
}

// txState is the cached state of the database that a rollback must restore.
type txState struct{ versionTableExists, historyExists, plpgsql bool }

// Apply runs one migration and records its outcome in the history table.
func (ex *Executor) Apply(ctx context.Context, m Migration) *MigrationError {
	m.Entry.Started, m.Entry.StatementsTotal, m.Entry.Transactional = time.Now(), m.Script.Count(), m.Script.Transactional
	ex.omitSQLWithPassword(&m)
	ex.omitUnencodableSQL(ctx, &m)
	ex.monitor.Position.StartMigration(m.Script, m.number, m.of)
	defer ex.monitor.StartWatcher(ctx)()
	together := m.continuesTx || m.leavesTxOpen
	if ctx.Err() != nil && !together && !m.resume {
		return asMigrationError(m.Script, context.Cause(ctx)) // a fast server would finish before it receives the cancel request
	}
	if !together && m.resume && m.Entry.StatementsApplied == 0 && m.Script.Transactional {
		if err := ex.restartMigration(ctx, m); err != nil {
			fail := asMigrationError(m.Script, err)
			fail.Outcome = PartiallyApplied
			return fail
		}
		m.resume = false
	}
	if !together && (!m.Script.Transactional || m.resume) {
		return ex.runBlocks(ctx, m)
	}
	attempt := func() *MigrationError { return ex.runTransaction(ctx, m) }
	var fail *MigrationError
	if together {
		fail = attempt() // the transaction of all migrations is retried, see RetryAllOnLockTimeout
	} else {
		fail = ex.retryOnLockTimeout(ctx, attempt)
		if fail != nil && fail.RecordingFailed && ex.store.RepairSequence(ctx, fail.Err) {
			fail = ex.retryOnLockTimeout(ctx, attempt)
		}
	}
	if fail != nil && fail.Outcome == RolledBack && len(m.Script.Statements) == 1 && !together && !ex.session.Shared && requiresNoTransaction(fail.Err) {
		// CALL and DO with a COMMIT, and REINDEX and CLUSTER of a partitioned table, cannot be
		// recognized by their SQL. As the only statement of a file, they can run without a
		// transaction.
		ex.log.Info("statement cannot run in a transaction; running it without one", "reason", fail.Server().Message)
		m.Entry.Transactional = false
		return ex.runBlocks(ctx, m)
	}
	if fail != nil && fail.Outcome == RolledBack && lock.MigrationStarted(fail.Err) && ex.store.HistoryExists { // if the first migration fails, nothing is created
		fail.findPosition()
		m.Entry.Outcome, m.Entry.Error = history.Failed, m.setFile(fail).Error()
		ex.recordBestEffort(ctx, ex.store.InsertSQL(m.Entry))
	}
	return fail
}

// restartMigration resets the dirty flag of a migration of which no statement was applied and whose
// file can now run in one transaction.
func (ex *Executor) restartMigration(ctx context.Context, m Migration) error {
	row, err := ex.store.ReadInterruptedRow(ctx, m.Entry)
	if err == nil {
		err = ex.resumer.DropEarlierLeftovers(ctx, resume.StoredLookup(row), m.Script, 0)
	}
	if err == nil {
		set := "run_outcome = " + postgres.LiteralOrNull(history.Failed)
		set += ", leftover = NULL"
		err = ex.session.Exec(ctx, ex.store.WriteVersionSQL(m.From)+ex.store.UpdateSQL(m.Entry.Version, set))
	}
	return err
}

// recordBestEffort writes to the history table outside the migration's transaction. It opens a
// second session if necessary; a failure is not an error.
func (ex *Executor) recordBestEffort(ctx context.Context, sql string) {
	ex.session.ProbeEncoding(ctx, ex.session.TxOpen, sql)
	sql = ex.session.ReplaceUnencodable(sql)
	err := ex.session.Exec(ctx, sql)
	if err != nil {
		short, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
		defer cancel()
		err = ex.session.WithSecondSession(short, func(second *postgres.Session) error { return second.Exec(short, sql) })
	}
	if err != nil {
		ex.log.Debug("could not write the history row", "error", err)
	}
}

func requiresNoTransaction(err error) bool {
	return pq.As(err, pqerror.ActiveSQLTransaction, pqerror.InvalidTransactionTermination) != nil
}

// runTransaction runs the SQL and writes the version and history row in one transaction, in two
// round trips: either all of it is committed or none. If several migrations share one transaction,
// the first begins it and the last commits.
func (ex *Executor) runTransaction(ctx context.Context, m Migration) *MigrationError {
	s := m.Script
	ex.marker.Store(0)
	begin := s.TitleComment()
	if !m.continuesTx {
		ex.savedTxState = txState{ex.store.VersionTableExists, ex.store.HistoryExists, ex.session.Server.Plpgsql}
		begin += s.Begin + ";\n"
		var err error
		if begin, err = ex.locker.Begin(ctx, begin, m.From); err != nil {
			return ex.rollbackMigration(ctx, asMigrationError(s, err))
		}
		if begin == "" {
			begin = s.TitleComment()
		}
	}
	head, creates := ex.openingSQL(s, begin)
	err := s.EachBatch(func(p script.Batch) error {
		fail := ex.sendBatch(ctx, head, p, "")
		head = ""
		if fail != nil {
			return fail
		}
		return nil
	})
	if err == nil && head != "" { // the script has no statements
		err = ex.session.Exec(ctx, head)
	}
	if err != nil {
		return ex.rollbackMigration(ctx, asMigrationError(s, err))
	}
	m.Entry.Outcome, m.Entry.StatementsApplied = history.Applied, m.Entry.StatementsTotal
	state := ex.store.WriteVersionSQL(m.To)
	if creates {
		state = strings.TrimPrefix(state, ex.store.CreateVersionTableSQL()) // avoids the server's notice that the table exists
	}
	finish := ex.session.CheckConstraintsSQL(m.leavesTxOpen) + ex.losses.LossCheckSQL() + ex.resetSQL() + ex.recordingMarkerSQL() + ex.session.ReplaceUnencodable(ex.store.InsertSQL(m.Entry)+state)
	if !m.leavesTxOpen {
		finish += "COMMIT;"
	}
	if s.NeedsEndGuard() {
		finish = endGuardClose + finish
	}
	ex.monitor.Position.SetActivity("finishing the migration")
	ex.recordingStarted.Store(false)
	if err := ex.session.Exec(ctx, finish); err != nil {
		fail := &MigrationError{Script: s, Outcome: RolledBack, Err: err, FailedIndex: len(s.Statements), Offset: -1}
		if code := pq.As(err, pqerror.SEInvalidSpecification, pqerror.NoActiveSQLTransaction); code != nil && s.NeedsEndGuard() {
			fail.Outcome, fail.Err = Unknown, fmt.Errorf("the file ended the transaction, so its statements up to that point are committed: %w", err)
		}
		if pq.As(err, pqerror.DivisionByZero) != nil {
			fail.Err = errors.Join(lock.ErrLost, err)
		} else if fail.Outcome == RolledBack {
			fail.RecordingFailed = ex.isRecordingError(err)
		}
		return ex.resolveCommit(ctx, fail, m)
	}
	ex.session.TxOpen = ex.session.Shared && m.leavesTxOpen
	ex.store.VersionTableExists, ex.store.HistoryExists = true, !ex.store.HistoryUnavailable
	return nil
}

// rollbackMigration rolls the failed transaction back. A lost session has already done so.
func (ex *Executor) rollbackMigration(ctx context.Context, fail *MigrationError) *MigrationError {
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
func (ex *Executor) resolveCommit(ctx context.Context, fail *MigrationError, m Migration) *MigrationError {
	var server *pq.Error
	if fail.Outcome == Unknown || m.leavesTxOpen || errors.As(fail.Err, &server) {
		return ex.rollbackMigration(ctx, fail)
	}
	fail.Outcome = Unknown
	now, err := ex.readVersionAfterLoss(ctx)
	switch {
	case err != nil:
		fail.Err = errors.Join(fail.Err, err)
	case now == m.To && now != m.From:
		return nil
	default:
		fail.Outcome = RolledBack
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
	ex.log.Info("connection lost during commit; waiting for the server to end the session", "for_up_to", limit)
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

// failedStatement returns the statement that failed: the one at the position in the error, or the
// last one whose start the server reported.
func (ex *Executor) failedStatement(s *script.Script, offset int) int {
	if offset >= 0 {
		for i := len(s.Statements) - 1; i >= 0; i-- {
			if s.Statements[i].Offset <= offset {
				return i
			}
		}
	}
	if len(s.Statements) == 1 {
		return 0
	}
	if len(s.Statements) == 0 || !ex.session.Server.Plpgsql {
		return -1
	}
	return int(ex.marker.Load())
}

// onNotice handles the server's notices that the SQL of a migration sends: statement markers, and
// the start of the recording. It reports whether it was one of them.
func (ex *Executor) onNotice(n *pq.Error) bool {
	if n.Message == recordingNotice {
		ex.recordingStarted.Store(true)
		return true
	}
	var i int64
	if rest, ok := strings.CutPrefix(n.Message, markerPrefix); ok {
		if _, err := fmt.Sscan(rest, &i); err == nil {
			ex.marker.Store(i)
			ex.monitor.Position.Advance(int(i))
			return true
		}
	}
	return false
}
