package lock

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/shiplock/shiplock/internal/history"
	"github.com/shiplock/shiplock/internal/postgres"
	"github.com/shiplock/shiplock/internal/progress"
)

// A waiter waits for the lock.
type waiter struct {
	session *postgres.Session
	store   *history.Store
	opts    Options
}

// maxLockPause is the maximum pause between two attempts: when the migrations are applied, the last
// of fifty waiting migrators should finish within a second.
const maxLockPause = 700 * time.Millisecond

// poll tries to take the lock for Options.Wait.
func (w waiter) poll(ctx context.Context, try func(context.Context, int64) (bool, error)) error {
	key := Key(w.store)
	start := time.Now()
	var wait *progress.Activity // set when another session holds the lock
	defer func() {
		if wait != nil {
			wait.End()
		}
	}()
	for attempt := 1; ; attempt++ {
		got, err := try(ctx, key)
		if err != nil {
			return err
		}
		waited := time.Since(start)
		if got {
			if attempt > 1 {
				w.opts.Log.Info("lock acquired", "waited", postgres.RoundDuration(waited))
			}
			return nil
		}
		if w.opts.Unneeded != nil {
			if unneeded, err := w.opts.Unneeded(ctx); err != nil || unneeded {
				return cmp.Or(err, ErrNotNeeded)
			}
		}
		pause := postgres.Backoff(postgres.MinPause, maxLockPause, attempt)
		if waited+pause > w.opts.Wait {
			holder, err := Holder(ctx, w.session, key)
			return errors.Join(&LockedError{Waited: waited, Holder: holder}, err)
		}
		if wait == nil {
			wait = w.session.Opts.Progress.StartWait()
		}
		if wait.Due() {
			facts, err := HolderFacts(ctx, w.store)
			if err != nil {
				return err
			}
			facts = append([]progress.Fact{{Bar: "waiting for another migrator"}}, facts...)
			wait.Show(progress.Status{Message: "waiting for another migrator", TimeName: "waited", Facts: append(facts, WaitLimit(w.opts.Wait-waited))})
		}
		if err := postgres.Sleep(ctx, pause); err != nil {
			return err
		}
	}
}
