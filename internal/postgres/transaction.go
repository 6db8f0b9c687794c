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

	"github.com/shiplock/shiplock/internal/progress"
)

// vigilance makes the server notice, within 10 seconds, that we are gone: by
// itself it looks only when a statement ends, and holds the locks until then, and
// where a machine has died without a word it would take hours. The first setting
// came with PostgreSQL 14; on a Unix socket the others mean nothing.
func (db *DB) keepaliveSQL() string {
	if db.pooled {
		return "" // the session is not ours; see begin
	}
	const keepalives = "SET tcp_keepalives_idle = 4;\nSET tcp_keepalives_interval = 2;\nSET tcp_keepalives_count = 3;\n"
	if db.Server.versionNum < 140000 {
		return keepalives + db.disableIdleTimeoutsSQL()
	}
	return "SET client_connection_check_interval = 3000;\n" + keepalives + db.disableIdleTimeoutsSQL()
}

// guard fails, with SQLSTATE 3B001 or 25P01, when SQL that we could not parse
// has ended the transaction around it.
const (
	endGuardOpen  = "SAVEPOINT shiplock;\n"
	endGuardClose = "RELEASE SAVEPOINT shiplock;\n"
)

// afterwards bounds the work left to do when the run itself has been ended: to
// ask what became of a commit, or to clear a mark. A stop must be done in 5 s.
const cleanupTimeout = 3 * time.Second

// recordTimeout bounds the history row of a migration that a signal or a timeout has
// ended. It is longer than afterwards, because a drained node is often a busy one, and
// well below the 30 s that Kubernetes gives a pod to end.
const recordTimeout = 8 * time.Second

// backendGone is after how long a backend has noticed that its client has gone,
// and has ended; see vigilance. One that waits for a synchronous standby has not.
const backendExitTimeout = 10 * time.Second

// markerPrefix precedes the number of a statement in the messages by which the
// server tells how far it is.
const markerPrefix = "shiplock statement "

// migration is one script on its way from one version to another.
type migration struct {
	script   *Script
	from, to State
	run      Run // what the journal will say
	// resume says that the first run.Done statements are in effect already, and the
	// version is marked dirty since.
	resume bool
	// continues and continued say that it is not the first, or not the last, of
	// several that are one transaction.
	continuesTx, leavesTxOpen bool
	number, of                int // its place in the plan, from 1
	trace                     *sessionTrace
}

// named tells an error which migration it is of.
func (m migration) setFile(fail *MigrationError) *MigrationError {
	fail.File, fail.Step = m.script.Name, fmt.Sprintf("version %d %s", m.run.Version, m.run.Direction)
	return fail
}

// memory is what a transaction changes in what is known of the database, and its rollback restores.
type txState struct{ exists, journaled, plpgsql bool }

// apply runs one migration. Whatever its end, the journal tells it.
func (db *DB) apply(ctx context.Context, m migration) *MigrationError {
	m.run.Started, m.run.StatementsTotal, m.run.transactional = time.Now(), m.script.Count(), m.script.Transactional
	db.omitSQLWithPassword(&m)
	db.omitUnencodableSQL(ctx, &m)
	db.runPosition.startMigration(m.script, m.number, m.of)
	defer db.startWatcher(ctx)()
	together := m.continuesTx || m.leavesTxOpen
	if ctx.Err() != nil && !together && !m.resume {
		return asMigrationError(m.script, context.Cause(ctx)) // a quick server would answer before it is told to stop
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
		fail = attempt() // the whole of them is what is tried again, see RetryAllOnLockTimeout
	} else {
		fail = db.retryOnLockTimeout(ctx, attempt)
		if fail != nil && fail.RecordingFailed && db.repairSequence(ctx, fail.Err) {
			fail = db.retryOnLockTimeout(ctx, attempt)
		}
	}
	if fail != nil && fail.Outcome == RolledBack && len(m.script.Statements) == 1 && !together && !db.pooled && requiresNoTransaction(fail.Err) {
		// A CALL or DO that commits, a REINDEX or CLUSTER of a partitioned table: it
		// does not show in the SQL. Alone in its file it can run by itself.
		db.log.Info("the server wants this statement outside a transaction", "reason", fail.Server().Message)
		m.run.transactional = false
		return db.runBlocks(ctx, m)
	}
	if fail != nil && fail.Outcome == RolledBack && migrationStarted(fail.Err) && db.historyExists { // a first migration that fails leaves nothing at all
		fail.findPosition()
		m.run.Outcome, m.run.Error = RunFailed, m.setFile(fail).Error()
		db.recordBestEffort(ctx, db.insertRunSQL(m.run))
	}
	return fail
}

// startOver takes the dirty mark of a migration back of which nothing is in effect,
// so that the file, which has become one transaction, runs as one.
func (db *DB) restartMigration(ctx context.Context, m migration) error {
	row, err := db.interruptedRow(ctx, m.run)
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

// note writes to the journal what is no part of a migration's own transaction. It
// is worth a second session, but not an error.
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
		db.log.Debug("the journal could not be written", "error", err)
	}
}

func requiresNoTransaction(err error) bool {
	return pq.As(err, pqerror.ActiveSQLTransaction, pqerror.InvalidTransactionTermination) != nil
}

// runTransaction puts the SQL, the version and the journal in one transaction, in
// two round trips: whatever dies when, all have happened or none has. Of several
// migrations that are one transaction together, the first begins it and the last
// commits.
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
	if err == nil && head != "" { // there was nothing to send
		err = db.exec(ctx, head)
	}
	if err != nil {
		return db.rollbackMigration(ctx, asMigrationError(s, err))
	}
	m.run.Outcome, m.run.StatementsApplied = RunApplied, m.run.StatementsTotal
	state := db.writeVersionSQL(m.to)
	if creates {
		state = strings.TrimPrefix(state, db.createVersionTableSQL()) // else the server remarks that it is there
	}
	finish := db.checkConstraintsSQL(m.leavesTxOpen) + db.lossCheckSQL(s) + db.resetSQL() + db.recordingMarkerSQL() + db.replaceUnencodable(db.insertRunSQL(m.run)+state)
	if !m.leavesTxOpen {
		finish += "COMMIT;"
	}
	if s.needsEndGuard() {
		finish = endGuardClose + finish
	}
	db.runPosition.setActivity("the end of the migration")
	db.recordingStarted.Store(false)
	if err := db.exec(ctx, finish); err != nil {
		fail := &MigrationError{Script: s, Outcome: RolledBack, Err: err, FailedIndex: len(s.Statements), Offset: -1}
		if code := pq.As(err, pqerror.SEInvalidSpecification, pqerror.NoActiveSQLTransaction); code != nil && s.needsEndGuard() {
			fail.Outcome, fail.Err = Unknown, fmt.Errorf("the file ended its own transaction, so what it did before that stays: %w", err)
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

// rollBack ends the failed transaction. A session that is gone has done so by itself.
func (db *DB) rollbackMigration(ctx context.Context, fail *MigrationError) *MigrationError {
	db.lockTxOpen = false
	db.versionTableExists, db.historyExists, db.Server.plpgsql = db.savedTxState.exists, db.savedTxState.journaled, db.savedTxState.plpgsql
	if ctx.Err() != nil {
		return fail
	}
	if err := db.rollback(ctx, db.resetSQL()); err != nil {
		fail.Err = errors.Join(fail.Err, err)
	}
	return fail
}

// rollback ends the transaction, if one is open, and runs what follows in one of its
// own. That none is open, as after a part that was a transaction of its own, is
// nobody's concern.
func (db *DB) rollback(ctx context.Context, then string) error {
	db.rollingBack.Store(true)
	defer db.rollingBack.Store(false)
	if then != "" {
		then = beginReadWrite + db.roleSQL() + then + "COMMIT"
	}
	return db.execDirect(ctx, "ROLLBACK;\n"+then)
}

// settle finds out what became of a transaction whose commit was not answered.
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

// reread reads the version on a new session, after the first has broken. It waits
// for the lock: as long as the first one's backend has it, its COMMIT may still be
// under way (deferred constraints, a synchronous standby) and nobody sees it.
func (db *DB) readVersionAfterLoss(ctx context.Context) (State, error) {
	limit := backendExitTimeout
	if ctx.Err() != nil {
		limit, ctx = cleanupTimeout, context.WithoutCancel(ctx)
	}
	short, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var st State
	db.log.Info("the connection broke at the commit: waiting until the server has ended that session", "for_up_to", limit)
	err := db.withSecondSession(short, func(fresh *DB) (err error) {
		fresh.opts.LockWait, fresh.log = limit-cleanupTimeout/2, slog.New(slog.DiscardHandler)
		if err = fresh.Lock(short); err == nil {
			st, err = fresh.State(short)
		}
		return err
	})
	var locked *LockedError
	if errors.As(err, &locked) || short.Err() != nil && ctx.Err() == nil {
		// To our caller it is no lock that somebody else has.
		err = fmt.Errorf("and it was not known %s later whether the server has ended that session", limit)
	}
	return st, err
}

// afresh lends out a second session that ends with use.
func (db *DB) withSecondSession(ctx context.Context, use func(*DB) error) error {
	fresh, err := db.openSecondSession(ctx)
	if err != nil {
		return err
	}
	return errors.Join(use(fresh), fresh.Close())
}

// again opens a second session on the same database, within the deadline of ctx.
func (db *DB) openSecondSession(ctx context.Context) (*DB, error) {
	opts := db.SameTables(db.opts)
	opts.WaitForDB, opts.SkipTableCheck = cleanupTimeout, true
	if deadline, ok := ctx.Deadline(); ok {
		opts.WaitForDB = max(cleanupTimeout, time.Until(deadline))
	}
	return Open(ctx, opts)
}

// failedStatement finds the statement that failed: the one that holds the place
// the server names, else the last one whose start it reported.
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

// onNotice receives the server's messages: our markers, and what a migration RAISEs.
func (db *DB) onNotice(n *pq.Error) {
	if n.Code == pqerror.NoActiveSQLTransaction && db.rollingBack.Load() {
		return
	}
	if n.Message == recordingNotice {
		db.recordingStarted.Store(true)
		return
	}
	var i int64
	if rest, ok := strings.CutPrefix(n.Message, markerPrefix); ok {
		if _, err := fmt.Sscan(rest, &i); err == nil {
			db.marker.Store(i)
			db.runPosition.advance(int(i))
			return
		}
	}
	db.log.Info("server message", "severity", n.Severity, "message", progress.Clean(n.Message))
}
