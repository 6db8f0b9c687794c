package executor

import (
	"context"
	"errors"

	"github.com/shiplock/shiplock/internal/postgres"
	"github.com/shiplock/shiplock/internal/resume"
)

// dropLeftoversAfterStop is dropLeftovers in a new session, after the SQL that records the end: the
// session of a stopped run has ended.
func (ex *Executor) dropLeftoversAfterStop(ctx context.Context, t *resume.LeftoverLookup, note string) (left []resume.Leftover) {
	cleanupCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), postgres.CleanupTimeout)
	defer cancel()
	second, err := ex.store.OpenSecondStore(cleanupCtx)
	if err == nil {
		left, err = second.dropLeftoversAlone(cleanupCtx, t, note)
		err = errors.Join(err, second.session.Close())
	}
	if err != nil {
		ex.log.Debug("could not write the history or remove leftovers", "error", err)
	}
	return left
}

// dropLeftoversAlone is dropLeftovers under the lock, after a note in the history: another migrator
// that holds the lock may be building an object that looks like a leftover.
func (ex *Executor) dropLeftoversAlone(ctx context.Context, t *resume.LeftoverLookup, note string) ([]resume.Leftover, error) {
	if err := ex.session.Exec(ctx, note); err != nil {
		return nil, err
	}
	ex.lock.Opts.LockWait = postgres.CleanupTimeout / 2
	if err := ex.lock.Lock(ctx); err != nil {
		return nil, err
	}
	return ex.resumer.DropLeftovers(ctx, t)
}
