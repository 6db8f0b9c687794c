package executor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"

	"github.com/shiplock/shiplock/internal/activity"
	"github.com/shiplock/shiplock/internal/migrationerror"
	"github.com/shiplock/shiplock/internal/postgres"
	"github.com/shiplock/shiplock/internal/retry"
	"github.com/shiplock/shiplock/internal/script"
)

// The pause after a lock timeout grows from minRetryPause to maxRetryPause: the queries queued
// behind the migration must run, and the lock holder may take long.
const (
	minRetryPause = 500 * time.Millisecond
	maxRetryPause = 10 * time.Second
)

// isLockTimeout reports whether a migration failed because a statement reached Options.LockTimeout.
// An error with the same SQLSTATE that the migration raises, that NOWAIT causes, or that a lock
// timeout of the file causes is not one: a retry would fail in the same way.
func (ex *Executor) isLockTimeout(fail *migrationerror.Error, took time.Duration) bool {
	server := pq.As(fail.Err, pqerror.LockNotAvailable)
	if server == nil || fail.Outcome == migrationerror.Unknown || ex.session.Opts.LockTimeout <= 0 {
		return false
	}
	if took < ex.session.Opts.LockTimeout*9/10 { // it is a function's own lock timeout; 9/10 because two clocks may differ
		return false
	}
	// PostgreSQL raises no other error with this code in ProcessInterrupts. A proxy may leave out
	// the name of the function.
	if server.Routine != "" && server.Routine != "ProcessInterrupts" {
		return false
	}
	var before []script.Statement
	if fail.Script != nil {
		before = fail.Script.Statements
	}
	if fail.FailedIndex >= 0 && fail.FailedIndex < len(before) {
		before = before[:fail.FailedIndex+1]
	}
	return !slices.ContainsFunc(before, func(st script.Statement) bool { return st.SetsParameter("lock_timeout") })
}

// A retrier decides whether SQL runs again: after a lock timeout that rolled it back, and a pause,
// until the context ends. The monitor's watcher must be running.
type retrier struct {
	ex           *Executor
	number       int       // of the current attempt, from 1
	start, began time.Time // of the first and the current attempt
	nextPause    func() time.Duration
	last         *migrationerror.Error // of the attempt before the current one
}

func (ex *Executor) newRetrier() *retrier {
	return &retrier{ex: ex, start: time.Now(), nextPause: retry.Policy{First: minRetryPause, Max: maxRetryPause}.Pauses()}
}

// next starts an attempt, and reports whether there is one: the first, or another one after fail,
// for which it waits. It adds the blocking sessions to fail.
func (r *retrier) next(ctx context.Context, fail *migrationerror.Error) bool {
	if r.number > 0 && (fail == nil || !r.pauseAfter(ctx, fail)) {
		return false
	}
	r.number++
	r.began = time.Now()
	r.ex.monitor.Watcher().ResetAttempt()
	return true
}

// pauseAfter waits until the next attempt. It reports false if there is none.
func (r *retrier) pauseAfter(ctx context.Context, fail *migrationerror.Error) bool {
	ex := r.ex
	again := ex.isLockTimeout(fail, time.Since(r.began))
	switch {
	case again:
		fail.Blockers = ex.monitor.Watcher().SeenBlockers()
	case ctx.Err() != nil:
		fail.Blockers = ex.monitor.Watcher().CurrentBlockers()
	default:
		return false
	}
	blockers := fail.Blockers
	if r.last != nil {
		fail.Inherit(r.last)
	}
	if !again {
		return false
	}
	r.last = fail
	pause := r.nextPause()
	ex.onLockTimeout(ctx, fail, r.number, time.Since(r.start), pause, blockers)
	if err := ex.session.Rollback(ctx, ""); err != nil {
		fail.Err = errors.Join(fail.Err, err)
		return false
	}
	if err := retry.Sleep(ctx, pause); err != nil {
		fail.Err = errors.Join(err, fail.Err)
		return false
	}
	return true
}

// onLockTimeout logs a lock timeout: the first few times, and then at growing intervals of up to
// five minutes.
func (ex *Executor) onLockTimeout(ctx context.Context, fail *migrationerror.Error, attempt int, waited, pause time.Duration, blockers []activity.SessionInfo) {
	status := fmt.Sprintf("retrying in %s after a lock timeout, attempt %d", postgres.RoundDuration(pause), attempt)
	if len(blockers) > 0 {
		status += "; held by " + blockers[0].String()
	}
	ex.monitor.Position.SetActivity(status)
	const logAll, logEvery = 4, 20 // at last, an attempt takes about 15 s
	if attempt > logAll && attempt%logEvery != 0 && (attempt > logEvery || attempt&(attempt-1) != 0) {
		return
	}
	attrs := []any{"lock_timeout", ex.session.Opts.LockTimeout, "pause", postgres.RoundDuration(pause), "attempt", attempt, "waited", postgres.RoundDuration(waited)}
	if limit, ok := ctx.Deadline(); ok {
		attrs = append(attrs, "time_left", postgres.RoundDuration(time.Until(limit)))
	}
	ex.log.Warn("lock timeout, retrying", append(attrs, "error", fail.Message(), "blocked_by", activity.SessionTexts(blockers))...)
}
