package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"
)

// keepaliveSQL returns the settings that make the server detect a lost client within 10 seconds. By
// default, it checks the connection only when a statement ends and holds the locks until then;
// after the client's machine has crashed, detection takes hours. client_connection_check_interval
// exists since PostgreSQL 14; TCP settings have no effect on a Unix socket.
func (db *DB) keepaliveSQL() string {
	if db.pooled {
		return "" // the session is shared; see beginWithLock
	}
	const keepalives = "SET tcp_keepalives_idle = 4;\nSET tcp_keepalives_interval = 2;\nSET tcp_keepalives_count = 3;\n"
	if db.Server.versionNum < 140000 {
		return keepalives + db.disableIdleTimeoutsSQL()
	}
	return "SET client_connection_check_interval = 3000;\n" + keepalives + db.disableIdleTimeoutsSQL()
}

// The end guard fails with SQLSTATE 3B001 or 25P01 if SQL that could not be parsed has ended the
// transaction.
const (
	endGuardOpen  = "SAVEPOINT shiplock;\n"
	endGuardClose = "RELEASE SAVEPOINT shiplock;\n"
)

// cleanupTimeout limits the work after a run was canceled, such as reading the outcome of a commit
// or resetting the dirty flag. A run must stop within 5 s.
const cleanupTimeout = 3 * time.Second

// recordTimeout limits writing the history row of a migration that was stopped by a signal or
// timeout. It is longer than cleanupTimeout, because a drained node is often busy, and well below
// the 30 s that Kubernetes gives a pod to terminate.
const recordTimeout = 8 * time.Second

// backendExitTimeout is the time within which a backend detects a lost client and exits; see
// keepaliveSQL. A backend that waits for a synchronous standby does not.
const backendExitTimeout = 10 * time.Second

// markerPrefix precedes the number of a statement in the notices by which the server reports its
// progress.
const markerPrefix = "shiplock statement "

// A migration is a script that changes the version from one to another.
type migration struct {
	script   *Script
	from, to State
	run      Run // history row
	// resume is set if the first run.Done statements have been applied and the version is marked
	// dirty.
	resume bool
	// continuesTx is set unless the migration is the first of several in one transaction, and
	// leavesTxOpen unless it is the last.
	continuesTx, leavesTxOpen bool
	number, of                int // 1-based position in the plan
	trace                     *sessionTrace
}

// setFile adds the file and version to an error.
func (m migration) setFile(fail *MigrationError) *MigrationError {
	fail.File, fail.FileVersion, fail.Direction = m.script.Name, m.run.Version, m.run.Direction
	return fail
}

// txState is the cached state of the database that a rollback must restore.
type txState struct{ versionTableExists, historyExists, plpgsql bool }

// apply runs one migration and records its outcome in the history table.
func (db *DB) apply(ctx context.Context, m migration) *MigrationError {
	m.run.Started, m.run.StatementsTotal, m.run.transactional = time.Now(), m.script.Count(), m.script.Transactional
	db.omitSQLWithPassword(&m)
	db.omitUnencodableSQL(ctx, &m)
	db.runPosition.startMigration(m.script, m.number, m.of)
	defer db.startWatcher(ctx)()
	together := m.continuesTx || m.leavesTxOpen
	if ctx.Err() != nil && !together && !m.resume {
		return asMigrationError(m.script, context.Cause(ctx)) // a fast server would finish before it receives the cancel request
	}
	if !together && m.resume && m.run.StatementsApplied == 0 && m.script.Transactional {
		if err := db.restartMigration(ctx, m); err != nil {
			fail := asMigrationError(m.script, err)
			fail.Outcome = PartiallyApplied
			return fail
		}
		m.resume = false
	}
	if !together && (!m.script.Transactional || m.resume) {
		return db.runBlocks(ctx, m)
	}
	attempt := func() *MigrationError { return db.runTransaction(ctx, m) }
	var fail *MigrationError
	if together {
		fail = attempt() // the transaction of all migrations is retried, see RetryAllOnLockTimeout
	} else {
		fail = db.retryOnLockTimeout(ctx, attempt)
		if fail != nil && fail.RecordingFailed && db.repairSequence(ctx, fail.Err) {
			fail = db.retryOnLockTimeout(ctx, attempt)
		}
	}
	if fail != nil && fail.Outcome == RolledBack && len(m.script.Statements) == 1 && !together && !db.pooled && requiresNoTransaction(fail.Err) {
		// CALL and DO with a COMMIT, and REINDEX and CLUSTER of a partitioned table, cannot be
		// recognized by their SQL. As the only statement of a file, they can run without a
		// transaction.
		db.log.Info("statement cannot run in a transaction; running it without one", "reason", fail.Server().Message)
		m.run.transactional = false
		return db.runBlocks(ctx, m)
	}
	if fail != nil && fail.Outcome == RolledBack && migrationStarted(fail.Err) && db.historyExists { // if the first migration fails, nothing is created
		fail.findPosition()
		m.run.Outcome, m.run.Error = RunFailed, m.setFile(fail).Error()
		db.recordBestEffort(ctx, db.insertRunSQL(m.run))
	}
	return fail
}

// restartMigration resets the dirty flag of a migration of which no statement was applied and whose
// file can now run in one transaction.
func (db *DB) restartMigration(ctx context.Context, m migration) error {
	row, err := db.readInterruptedRow(ctx, m.run)
	if err == nil {
		err = db.dropEarlierLeftovers(ctx, storedLookup(row), m.script, 0)
	}
	if err == nil {
		set := "run_outcome = " + literalOrNull(RunFailed)
		set += ", leftover = NULL"
		err = db.exec(ctx, db.writeVersionSQL(m.from)+db.updateRunSQL(m.run.Version, set))
	}
	return err
}

// recordBestEffort writes to the history table outside the migration's transaction. It opens a
// second session if necessary; a failure is not an error.
func (db *DB) recordBestEffort(ctx context.Context, sql string) {
	db.probeEncoding(ctx, db.lockTxOpen, sql)
	sql = db.replaceUnencodable(sql)
	err := db.exec(ctx, sql)
	if err != nil {
		short, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
		defer cancel()
		err = db.withSecondSession(short, func(fresh *DB) error { return fresh.exec(short, sql) })
	}
	if err != nil {
		db.log.Debug("could not write the history row", "error", err)
	}
}

func requiresNoTransaction(err error) bool {
	return pq.As(err, pqerror.ActiveSQLTransaction, pqerror.InvalidTransactionTermination) != nil
}

// runTransaction runs the SQL and writes the version and history row in one transaction, in two
// round trips: either all of it is committed or none. If several migrations share one transaction,
// the first begins it and the last commits.
func (db *DB) runTransaction(ctx context.Context, m migration) *MigrationError {
	s := m.script
	db.marker.Store(0)
	begin := s.titleComment()
	if !m.continuesTx {
		db.savedTxState = txState{db.versionTableExists, db.historyExists, db.Server.plpgsql}
		begin += s.Begin + ";\n"
		if db.pooled {
			if err := db.beginWithLock(ctx, begin, &m.from); err != nil {
				return db.rollbackMigration(ctx, asMigrationError(s, err))
			}
			begin = s.titleComment()
		}
	}
	head, creates := db.openingSQL(s, begin)
	err := s.eachBatch(func(p batch) error {
		fail := db.sendBatch(ctx, head, p, "")
		head = ""
		if fail != nil {
			return fail
		}
		return nil
	})
	if err == nil && head != "" { // the script has no statements
		err = db.exec(ctx, head)
	}
	if err != nil {
		return db.rollbackMigration(ctx, asMigrationError(s, err))
	}
	m.run.Outcome, m.run.StatementsApplied = RunApplied, m.run.StatementsTotal
	state := db.writeVersionSQL(m.to)
	if creates {
		state = strings.TrimPrefix(state, db.createVersionTableSQL()) // avoids the server's notice that the table exists
	}
	finish := db.checkConstraintsSQL(m.leavesTxOpen) + db.lossCheckSQL() + db.resetSQL() + db.recordingMarkerSQL() + db.replaceUnencodable(db.insertRunSQL(m.run)+state)
	if !m.leavesTxOpen {
		finish += "COMMIT;"
	}
	if s.needsEndGuard() {
		finish = endGuardClose + finish
	}
	db.runPosition.setActivity("finishing the migration")
	db.recordingStarted.Store(false)
	if err := db.exec(ctx, finish); err != nil {
		fail := &MigrationError{Script: s, Outcome: RolledBack, Err: err, FailedIndex: len(s.Statements), Offset: -1}
		if code := pq.As(err, pqerror.SEInvalidSpecification, pqerror.NoActiveSQLTransaction); code != nil && s.needsEndGuard() {
			fail.Outcome, fail.Err = Unknown, fmt.Errorf("the file ended the transaction, so its statements up to that point are committed: %w", err)
		}
		if pq.As(err, pqerror.DivisionByZero) != nil {
			fail.Err = errors.Join(ErrLockLost, err)
		} else if fail.Outcome == RolledBack {
			fail.RecordingFailed = db.isRecordingError(err)
		}
		return db.resolveCommit(ctx, fail, m)
	}
	db.lockTxOpen = db.pooled && m.leavesTxOpen
	db.versionTableExists, db.historyExists = true, !db.historyUnavailable
	return nil
}

// rollbackMigration rolls the failed transaction back. A lost session has already done so.
func (db *DB) rollbackMigration(ctx context.Context, fail *MigrationError) *MigrationError {
	db.lockTxOpen = false
	db.versionTableExists, db.historyExists, db.Server.plpgsql = db.savedTxState.versionTableExists, db.savedTxState.historyExists, db.savedTxState.plpgsql
	if ctx.Err() != nil {
		return fail
	}
	if err := db.rollback(ctx, db.resetSQL()); err != nil {
		fail.Err = errors.Join(fail.Err, err)
	}
	return fail
}

// rollback ends the transaction, if one is open, and runs then in a new one. There may be no open
// transaction, for example after a block with a transaction of its own.
func (db *DB) rollback(ctx context.Context, then string) error {
	db.rollingBack.Store(true)
	defer db.rollingBack.Store(false)
	if then != "" {
		then = beginReadWrite + db.roleSQL() + then + "COMMIT"
	}
	return db.execDirect(ctx, "ROLLBACK;\n"+then)
}

// resolveCommit determines the outcome of a transaction whose COMMIT was not answered.
func (db *DB) resolveCommit(ctx context.Context, fail *MigrationError, m migration) *MigrationError {
	var server *pq.Error
	if fail.Outcome == Unknown || m.leavesTxOpen || errors.As(fail.Err, &server) {
		return db.rollbackMigration(ctx, fail)
	}
	fail.Outcome = Unknown
	now, err := db.readVersionAfterLoss(ctx)
	switch {
	case err != nil:
		fail.Err = errors.Join(fail.Err, err)
	case now == m.to && now != m.from:
		return nil
	default:
		fail.Outcome = RolledBack
	}
	return fail
}

// readVersionAfterLoss reads the version in a new session after the connection was lost. It waits
// for the lock: while the lost session's backend holds it, its COMMIT may still be running
// (deferred constraints, a synchronous standby) and is not visible.
func (db *DB) readVersionAfterLoss(ctx context.Context) (State, error) {
	limit := backendExitTimeout
	if ctx.Err() != nil {
		limit, ctx = cleanupTimeout, context.WithoutCancel(ctx)
	}
	short, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var st State
	db.log.Info("connection lost during commit; waiting for the server to end the session", "for_up_to", limit)
	second, err := db.openSecondStore(short)
	if err == nil {
		second.opts.LockWait, second.log = limit-cleanupTimeout/2, slog.New(slog.DiscardHandler)
		if err = second.Lock(short); err == nil {
			st, err = second.State(short)
		}
		err = errors.Join(err, second.Close())
	}
	var locked *LockedError
	if errors.As(err, &locked) || short.Err() != nil && ctx.Err() == nil {
		// For the caller, this is not a lock held by another migrator.
		err = fmt.Errorf("could not determine within %s whether the server has ended the session", limit)
	}
	return st, err
}

// withSecondSession calls use with a second session, which has no tables, and closes it.
func (db *DB) withSecondSession(ctx context.Context, use func(*DB) error) error {
	second, err := db.openSecondSession(ctx)
	if err != nil {
		return err
	}
	return errors.Join(use(second), second.Close())
}

// openSecondSession opens a second session on the same database, within the deadline of ctx.
func (db *DB) openSecondSession(ctx context.Context) (*DB, error) {
	second := &DB{opts: db.secondSessionOptions(ctx)}
	if err := second.open(ctx); err != nil {
		return nil, err
	}
	return second, nil
}

// secondSessionOptions returns the options of a second session.
func (db *DB) secondSessionOptions(ctx context.Context) Options {
	opts := db.opts
	opts.WaitForDB = cleanupTimeout
	if deadline, ok := ctx.Deadline(); ok {
		opts.WaitForDB = max(cleanupTimeout, time.Until(deadline))
	}
	return opts
}

// openSecondStore opens a second session with the same tables.
func (db *DB) openSecondStore(ctx context.Context) (*DB, error) {
	opts := db.SameTables(db.secondSessionOptions(ctx))
	opts.SkipTableCheck = true
	return Open(ctx, opts)
}

// failedStatement returns the statement that failed: the one at the position in the error, or the
// last one whose start the server reported.
func (db *DB) failedStatement(s *Script, offset int) int {
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
	if len(s.Statements) == 0 || !db.Server.plpgsql {
		return -1
	}
	return int(db.marker.Load())
}

// onNotice handles the server's notices that the SQL of a migration sends: statement markers, and
// the start of the recording. It reports whether it was one of them.
func (db *DB) onNotice(n *pq.Error) bool {
	if n.Message == recordingNotice {
		db.recordingStarted.Store(true)
		return true
	}
	var i int64
	if rest, ok := strings.CutPrefix(n.Message, markerPrefix); ok {
		if _, err := fmt.Sscan(rest, &i); err == nil {
			db.marker.Store(i)
			db.runPosition.advance(int(i))
			return true
		}
	}
	return false
}
