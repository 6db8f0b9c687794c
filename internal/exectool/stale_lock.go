package exectool

import (
	"context"
	"fmt"

	"github.com/shiplock/shiplock/internal/database"
	"github.com/shiplock/shiplock/internal/toolrun"
)

// A StaleLockError reports a row with which the tool locks its migrations. The tool was not started.
type StaleLockError struct {
	Locks []toolrun.ToolProblem
	// Sessions may belong to a tool that holds the lock, so that it was not released.
	Sessions []toolrun.ToolSession
	Err      error // why the lock could not be released, or nil
}

func (e *StaleLockError) Error() string {
	l := e.Locks[0]
	return fmt.Sprintf("%s (%s): %s", l.Location, l.Tool, l.Problem)
}

func (e *StaleLockError) Unwrap() error { return e.Err }

// Describe returns a line for each of the sessions.
func (e *StaleLockError) Describe() []string { return describe(e.Sessions) }

// checkToolLocks releases the tool's stale locks, or returns a StaleLockError. This process holds the
// lock for external tools, so a row is stale if no other session exists, or if the last run did not
// end by itself or failed. Otherwise a run of the tool outside exec may hold it: the tool then waits.
func (r *toolRun) checkToolLocks(ctx context.Context, db *database.Database) error {
	locks, err := db.Tools.ToolLocks(ctx)
	if err != nil || len(locks) == 0 {
		return err
	}
	last, err := db.Tools.LastToolRun(ctx)
	if err != nil {
		return err
	}
	others, err := db.Tools.OtherSessions(ctx)
	if err != nil {
		return err
	}
	stale := len(others) == 0 && !r.pooled || last != nil && last.Outcome != toolrun.ToolSucceeded
	switch {
	case stale && r.tool.OnStaleLock != ReleaseOnStaleLock:
		return &StaleLockError{Locks: locks}
	case stale:
		return r.releaseToolLocks(ctx, db, locks)
	case r.tool.OnStaleLock == ReleaseOnStaleLock:
		return &StaleLockError{Locks: locks, Sessions: others}
	}
	r.o.Log.Warn("the tool's own lock is held, possibly by a run outside exec; the tool may wait for it", "tool", locks[0].Tool, "lock", locks[0].Location, "problem", locks[0].Problem)
	return nil
}

func (r *toolRun) releaseToolLocks(ctx context.Context, db *database.Database, locks []toolrun.ToolProblem) error {
	for _, l := range locks {
		if err := db.Tools.ReleaseToolLock(ctx, l); err != nil {
			return &StaleLockError{Locks: []toolrun.ToolProblem{l}, Err: err}
		}
		r.o.Log.Warn("released the tool's stale lock", "tool", l.Tool, "lock", l.Location, "problem", l.Problem)
	}
	return nil
}
