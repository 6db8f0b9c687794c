package lock

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/shiplock/shiplock/internal/history"
	"github.com/shiplock/shiplock/internal/postgres"
	"github.com/shiplock/shiplock/internal/progress"
	"github.com/shiplock/shiplock/internal/retry"
)

// A waiter waits for the lock.
type waiter struct {
	session *postgres.Session
	store   *history.Store
	opts    Options
}

// firstPause and maxPause are the first and the maximum pause between two attempts: when the
// migrations are applied, the last of fifty waiting migrators should finish within a second.
const (
	firstPause = 200 * time.Millisecond
	maxPause   = 700 * time.Millisecond
)

// errHeld means that another session holds the lock.
var errHeld = errors.New("another session holds the lock")

// poll tries to take the lock for Options.Wait.
func (w waiter) poll(ctx context.Context, try func(context.Context, int64) (bool, error)) error {
	key, start := Key(w.store), time.Now()
	var wait *progress.Activity // set when another session holds the lock
	defer func() {
		if wait != nil {
			wait.End()
		}
	}()
	policy := retry.Policy{First: firstPause, Max: maxPause, OnRetry: func(_ error, _ int, pause time.Duration) error {
		if wait == nil {
			wait = w.session.Opts.Progress.StartWait()
		}
		return w.onRetry(ctx, key, time.Since(start), pause, wait)
	}}
	err := retry.Do(ctx, policy, func() error {
		got, err := try(ctx, key)
		switch {
		case err != nil:
			return retry.Permanent(err)
		case !got:
			return errHeld
		}
		return nil
	})
	if err == nil && wait != nil {
		w.opts.Log.Info("lock acquired", "waited", postgres.RoundDuration(time.Since(start)))
	}
	return retry.StopCause(err)
}

// onRetry shows the progress of the wait. It returns ErrNotNeeded if the lock is not needed any
// more, and a *LockedError if the next attempt would be after Options.Wait.
func (w waiter) onRetry(ctx context.Context, key int64, waited, pause time.Duration, wait *progress.Activity) error {
	if w.opts.Unneeded != nil {
		if unneeded, err := w.opts.Unneeded(ctx); err != nil || unneeded {
			return cmp.Or(err, ErrNotNeeded)
		}
	}
	if waited+pause > w.opts.Wait {
		holder, err := Holder(ctx, w.session, key)
		return errors.Join(&LockedError{Waited: waited, Holder: holder}, err)
	}
	if !wait.Due() {
		return nil
	}
	facts, err := HolderFacts(ctx, w.store)
	if err != nil {
		return err
	}
	facts = append([]progress.Fact{{Bar: "waiting for another migrator"}}, facts...)
	wait.Show(progress.Status{Message: "waiting for another migrator", TimeName: "waited", Facts: append(facts, WaitLimit(w.opts.Wait-waited))})
	return nil
}
