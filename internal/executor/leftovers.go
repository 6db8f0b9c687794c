package executor

import (
	"context"
	"errors"

	"github.com/shiplock/shiplock/internal/history"
	"github.com/shiplock/shiplock/internal/lock"
	"github.com/shiplock/shiplock/internal/postgres"
	"github.com/shiplock/shiplock/internal/resume"
)

// dropLeftoversAfterStop is DropLeftovers in a new session, after the SQL that records the end: the
// session of a stopped run has ended.
func (ex *Executor) dropLeftoversAfterStop(ctx context.Context, t *resume.LeftoverLookup, note string) (left []resume.Leftover) {
	cleanupCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), postgres.CleanupTimeout)
	defer cancel()
	second, err := ex.store.OpenSecond(cleanupCtx)
	if err == nil {
		left, err = dropLeftoversAlone(cleanupCtx, second, t, note)
		err = errors.Join(err, second.Close())
	}
	if err != nil {
		ex.log.Debug("could not write the history or remove leftovers", "error", err)
	}
	return left
}

// dropLeftoversAlone is DropLeftovers under the lock, after a note in the history: another migrator
// that holds the lock may be building an object that looks like a leftover.
func dropLeftoversAlone(ctx context.Context, second *history.Store, t *resume.LeftoverLookup, note string) ([]resume.Leftover, error) {
	if err := second.Session().Exec(ctx, note); err != nil {
		return nil, err
	}
	if _, err := lock.Acquire(ctx, second, lock.Options{Wait: postgres.CleanupTimeout / 2}); err != nil {
		return nil, err
	}
	return resume.NewResumer(second).DropLeftovers(ctx, t)
}
