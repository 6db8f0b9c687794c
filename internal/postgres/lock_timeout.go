package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"
)

// The pause after a lock timeout grows from minRetryPause to maxRetryPause: the queries queued
// behind the migration must run, and the lock holder may take long.
const (
	minRetryPause = 500 * time.Millisecond
	maxRetryPause = 10 * time.Second
)

// timeoutsSQL returns the SQL that sets the lock and statement timeouts with SET or SET LOCAL.
func (db *DB) timeoutsSQL(set string, lock time.Duration) string {
	return db.lockTimeoutSQL(set, lock) + db.statementTimeoutSQL(set)
}

func (db *DB) lockTimeoutSQL(set string, lock time.Duration) string {
	if db.opts.LockTimeout <= 0 {
		return ""
	}
	return fmt.Sprintf("%s lock_timeout = %d;\n", set, lock.Milliseconds())
}

func (db *DB) statementTimeoutSQL(set string) string {
	if db.opts.StatementTimeout <= 0 {
		return ""
	}
	return fmt.Sprintf("%s statement_timeout = %d;\n", set, db.opts.StatementTimeout.Milliseconds())
}

// setTimeouts sets the session's timeouts for a block outside a transaction, except for those that
// the file sets itself. A transaction of the file keeps the timeouts that it began with or set. A
// statement that refuses a transaction gets no lock timeout: CREATE INDEX CONCURRENTLY, for
// example, waits for every older transaction with a lock, no query queues behind it, and a failure
// loses all of its work. before is SQL to send along.
func (db *DB) setTimeouts(ctx context.Context, s *Script, p txBlock, before string) error {
	lock := db.opts.LockTimeout
	if s.Statements[p.first].refusesTransaction {
		lock = 0
	}
	set := ""
	for _, limit := range []struct{ name, sql string }{
		{"lock_timeout", db.lockTimeoutSQL("SET", lock)},
		{"statement_timeout", db.statementTimeoutSQL("SET")},
	} {
		if !p.openBefore && !setsForSession(s.Statements[:p.first], limit.name) {
			set += limit.sql
		}
	}
	if before+set != "" {
		return db.exec(ctx, before+set)
	}
	return nil
}

// setsForSession reports whether statements set a parameter for longer than their transaction.
func setsForSession(statements []Statement, name string) bool {
	return slices.ContainsFunc(statements, func(st Statement) bool {
		return st.setsParameter(name) && !st.node.GetVariableSetStmt().GetIsLocal()
	})
}

// setsParameter reports whether a statement sets a parameter: with SET or RESET, set_config, or in
// a DO block.
func (st Statement) setsParameter(name string) bool {
	if !strings.Contains(strings.ToLower(st.Text), name) {
		return false
	}
	switch n := st.node; {
	case n.GetVariableSetStmt() != nil:
		return n.GetVariableSetStmt().GetName() == name
	case n.GetSelectStmt() != nil:
		return strings.Contains(strings.ToLower(st.Text), "set_config")
	}
	return st.node.GetDoStmt() != nil
}

// isLockTimeout reports whether a migration failed because a statement reached Options.LockTimeout.
// An error with the same SQLSTATE that the migration raises, that NOWAIT causes, or that a lock
// timeout of the file causes is not one: a retry would fail in the same way.
func (db *DB) isLockTimeout(fail *MigrationError, took time.Duration) bool {
	server := pq.As(fail.Err, pqerror.LockNotAvailable)
	if server == nil || fail.Outcome == Unknown || db.opts.LockTimeout <= 0 {
		return false
	}
	if took < db.opts.LockTimeout*9/10 { // it is a function's own lock timeout; 9/10 because two clocks may differ
		return false
	}
	// PostgreSQL raises no other error with this code in ProcessInterrupts. A proxy may leave out
	// the name of the function.
	if server.Routine != "" && server.Routine != "ProcessInterrupts" {
		return false
	}
	var before []Statement
	if fail.Script != nil {
		before = fail.Script.Statements
	}
	if fail.FailedIndex >= 0 && fail.FailedIndex < len(before) {
		before = before[:fail.FailedIndex+1]
	}
	return !slices.ContainsFunc(before, func(st Statement) bool { return st.setsParameter("lock_timeout") })
}

// RetryAllOnLockTimeout calls run, which applies several migrations in one transaction, and repeats
// it, after a pause, while it fails with a lock timeout.
func (db *DB) RetryAllOnLockTimeout(ctx context.Context, run func() error) error {
	var err error
	db.retryOnLockTimeout(ctx, func() *MigrationError {
		var fail *MigrationError
		if err = run(); errors.As(err, &fail) {
			return fail
		}
		return nil
	})
	return err
}

// retryOnLockTimeout calls run, and repeats it, after a pause, while it fails with a lock timeout
// and is rolled back, until ctx ends.
func (db *DB) retryOnLockTimeout(ctx context.Context, run func() *MigrationError) *MigrationError {
	defer db.startWatcher(ctx)()
	var last *MigrationError
	start := time.Now()
	for attempt := 1; ; attempt++ {
		db.watcher.resetAttempt()
		began := time.Now()
		fail := run()
		if fail == nil {
			return nil
		}
		retry := db.isLockTimeout(fail, time.Since(began))
		blockers := db.watcher.seenBlockers()
		switch {
		case retry:
			fail.Blockers = blockers
		case ctx.Err() != nil:
			fail.Blockers = db.watcher.currentBlockers()
		default:
			return fail
		}
		if last != nil {
			fail.inherit(last)
		}
		if !retry {
			return fail
		}
		last = fail
		pause := backoff(minRetryPause, maxRetryPause, attempt-1)
		db.onLockTimeout(ctx, fail, attempt, time.Since(start), pause, blockers)
		if err := db.rollback(ctx, ""); err != nil {
			fail.Err = errors.Join(fail.Err, err)
			return fail
		}
		if err := sleep(ctx, pause); err != nil {
			fail.Err = errors.Join(err, fail.Err)
			return fail
		}
	}
}

// onLockTimeout logs a lock timeout: the first few times, and then at growing intervals of up to
// five minutes.
func (db *DB) onLockTimeout(ctx context.Context, fail *MigrationError, attempt int, waited, pause time.Duration, blockers []SessionInfo) {
	activity := fmt.Sprintf("retrying in %s after a lock timeout, attempt %d", roundDuration(pause), attempt)
	if len(blockers) > 0 {
		activity += "; held by " + blockers[0].String()
	}
	db.runPosition.setActivity(activity)
	const logAll, logEvery = 4, 20 // at last, an attempt takes about 15 s
	if attempt > logAll && attempt%logEvery != 0 && (attempt > logEvery || attempt&(attempt-1) != 0) {
		return
	}
	attrs := []any{"lock_timeout", db.opts.LockTimeout, "pause", roundDuration(pause), "attempt", attempt, "waited", roundDuration(waited)}
	if limit, ok := ctx.Deadline(); ok {
		attrs = append(attrs, "for_up_to", roundDuration(time.Until(limit)))
	}
	db.log.Warn("lock timeout, retrying", append(attrs, "error", fail.message(), "blocked_by", sessionTexts(blockers))...)
}

// inherit copies what an earlier attempt found out about the same failure: this attempt may not
// have looked for the blocking sessions.
func (e *MigrationError) inherit(earlier *MigrationError) {
	if e.File != earlier.File || e.Outcome != RolledBack || e.FailedIndex >= 0 && e.FailedIndex != earlier.FailedIndex {
		return
	}
	if e.FailedIndex < 0 {
		e.Script, e.FailedIndex, e.Offset = earlier.Script, earlier.FailedIndex, earlier.Offset
	}
	if len(e.Blockers) == 0 {
		e.Blockers = earlier.Blockers
	}
	if server := earlier.Server(); server != nil && e.Server() == nil && !isLostError(e.Err) { // the run reached its timeout
		e.Err = errors.Join(e.Err, server)
	}
}
