package postgres

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"
)

// The pause after a lock timeout grows from minYield to maxYield: the queries that
// have queued behind us must get through, and whoever holds the lock may be long.
const (
	minRetryPause = 500 * time.Millisecond
	maxRetryPause = 10 * time.Second
)

// timeoutsSQL is the SQL that sets the lock and statement timeouts, by SET or SET LOCAL.
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

// setTimeouts sets the session's timeouts for a part outside a transaction, but for
// those that the file has set itself. In a transaction of the file's those hold that
// it has begun with, or has set since. A statement that refuses a transaction gets no
// lock timeout: CREATE INDEX CONCURRENTLY and its like wait for every older
// transaction by lock, nobody has to queue behind them, and to fail half-way costs
// the whole work. before is SQL of ours that goes with it.
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

// setsForSession reports whether statements set a parameter for more than their
// transaction.
func setsForSession(statements []Statement, name string) bool {
	return slices.ContainsFunc(statements, func(st Statement) bool {
		return st.setsParameter(name) && !st.node.GetVariableSetStmt().GetIsLocal()
	})
}

// setsParameter reports whether a statement sets a parameter as it runs: by SET or RESET, by
// set_config, or in a block.
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

// isLockTimeout reports whether a migration has ended because a statement waited for
// a lock longer than we allow. An error with the same code is another one where the
// migration raises it, where NOWAIT does, and where the file has set a lock timeout
// of its own: the same comes of it each time.
func (db *DB) isLockTimeout(fail *MigrationError, took time.Duration) bool {
	server := pq.As(fail.Err, pqerror.LockNotAvailable)
	if server == nil || fail.Outcome == Unknown || db.opts.LockTimeout <= 0 {
		return false
	}
	if took < db.opts.LockTimeout*9/10 { // a function has one of its own; two clocks may differ
		return false
	}
	// Nothing else in PostgreSQL raises this code where it looks for interrupts. A
	// proxy may leave the name of the function out.
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

// RetryAllOnLockTimeout is for several migrations that are one transaction: it runs attempt
// again, after a pause, for as long as it ends in a lock timeout.
func (db *DB) RetryAllOnLockTimeout(ctx context.Context, attempt func() error) error {
	var err error
	db.retryOnLockTimeout(ctx, func() *MigrationError {
		var fail *MigrationError
		if err = attempt(); errors.As(err, &fail) {
			return fail
		}
		return nil
	})
	return err
}

// retryOnLockTimeout runs attempt again, after a pause, for as long as it ends in a lock
// timeout with everything rolled back. ctx bounds it.
func (db *DB) retryOnLockTimeout(ctx context.Context, attempt func() *MigrationError) *MigrationError {
	defer db.startWatcher(ctx)()
	var last *MigrationError
	start := time.Now()
	for try := 1; ; try++ {
		db.watcher.resetAttempt()
		began := time.Now()
		fail := attempt()
		if fail == nil {
			return nil
		}
		again := db.isLockTimeout(fail, time.Since(began))
		blockers := db.watcher.seenBlockers()
		switch {
		case again:
			fail.Blockers = blockers
		case ctx.Err() != nil:
			fail.Blockers = db.watcher.currentBlockers()
		default:
			return fail
		}
		if last != nil {
			fail.inherit(last)
		}
		if !again {
			return fail
		}
		last = fail
		pause := backoff(minRetryPause, maxRetryPause, try-1)
		db.onLockTimeout(ctx, fail, try, time.Since(start), pause, blockers)
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

// onLockTimeout says that an attempt has ended in a lock timeout: the first few times, and
// then at growing intervals, of five minutes at last.
func (db *DB) onLockTimeout(ctx context.Context, fail *MigrationError, try int, waited, pause time.Duration, blockers []string) {
	what := fmt.Sprintf("makes way for %s after a lock timeout, try %d", roundDuration(pause), try)
	if len(blockers) > 0 {
		what += "; held by " + blockers[0]
	}
	db.runPosition.setActivity(what)
	const few, atLast = 4, 20 // such a try takes about 15 s
	if try > few && try%atLast != 0 && (try > atLast || try&(try-1) != 0) {
		return
	}
	attrs := []any{"lock_timeout", db.opts.LockTimeout, "pause", roundDuration(pause), "try", try, "waited", roundDuration(waited)}
	if limit, ok := ctx.Deadline(); ok {
		attrs = append(attrs, "for_up_to", roundDuration(time.Until(limit)))
	}
	db.log.Warn("lock timeout: rolled back, so that the queries behind it can go on; trying again", append(attrs, "error", fail.message(), "blockers", blockers)...)
}

// inherit takes over what an earlier try has learnt about the place where this one
// has ended, too: nobody may have looked this time.
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
	if server := earlier.Server(); server != nil && e.Server() == nil && !isLostError(e.Err) { // the run's time was over
		e.Err = errors.Join(e.Err, server)
	}
}

// sessionInfo is what the server shows of another session.
type sessionInfo struct {
	PID         int    `json:"pid"`
	Application string `json:"application_name"`
	State       string `json:"state"`
	Seconds     int64  `json:"seconds"`
	Query       string `json:"query"`
}

// hiddenQuery is what pg_stat_activity shows of a session that a role may not look into.
const hiddenQuery = "<insufficient privilege>"

// quotedPassword is a password in somebody's SQL, of which the end may be cut off.
var quotedPassword = regexp.MustCompile(`(?i)(\bpassword\s*=?\s*E?)'(?:[^']|'')*'?`)

func (s sessionInfo) String() string {
	if s.PID == 0 {
		return "a prepared transaction (pg_prepared_xacts lists them)"
	}
	parts := []string{fmt.Sprintf("pid %d", s.PID)}
	if s.Application != "" {
		parts = append(parts, fmt.Sprintf("application_name %q", s.Application))
	}
	if s.State != "" {
		parts = append(parts, s.State)
	}
	parts = append(parts, fmt.Sprintf("for %s", time.Duration(s.Seconds)*time.Second))
	if s.Query == hiddenQuery {
		s.Query = ""
	}
	if q := strings.Join(strings.Fields(quotedPassword.ReplaceAllString(s.Query, "${1}'xxxxx'")), " "); q != "" {
		parts = append(parts, fmt.Sprintf("query %q", q))
	}
	return strings.Join(parts, ", ")
}
