package exectool

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/shiplock/shiplock/internal/database"
	"github.com/shiplock/shiplock/internal/lock"
	"github.com/shiplock/shiplock/internal/progress"
	"github.com/shiplock/shiplock/internal/retry"
	"github.com/shiplock/shiplock/internal/toolrun"
)

// waitForEarlierRun waits until the active sessions of earlier runs have ended: of a run
// whose migrator was killed, or that could not terminate them.
func (r *toolRun) waitForEarlierRun(ctx context.Context, db *database.Database) error {
	before, waited, err := r.waitForTransactions(ctx, "waiting for sessions of an earlier run", r.o.LockWait,
		func() ([]toolrun.ToolSession, error) { return db.Tools.EarlierToolSessions(ctx, r.trace) })
	if len(before) > 0 {
		return &EarlierToolError{Waited: waited, Sessions: before}
	}
	if err != nil {
		return err
	}
	// A run without an end was killed, because this process holds the lock.
	last, err := db.Tools.LastToolRun(ctx)
	if err != nil || last == nil || last.Outcome != toolrun.ToolRunning {
		return err
	}
	before, _, err = r.waitForTransactions(ctx, "waiting for possible sessions of a killed run", r.tool.SessionGrace,
		func() ([]toolrun.ToolSession, error) { return db.Tools.SessionsSince(ctx, last.Started, r.roles) })
	if len(before) > 0 {
		r.o.Log.Warn("running the tool despite possible sessions of a killed run", "command", last.Command, "started", last.Started, "sessions", describe(before))
	}
	return err
}

// waitForTransactions waits until the sessions that list returns first have ended their
// current transactions. It returns those that have not when limit is exceeded.
func (r *toolRun) waitForTransactions(ctx context.Context, message string, limit time.Duration, list func() ([]toolrun.ToolSession, error)) (left []toolrun.ToolSession, waited time.Duration, err error) {
	left, err = list()
	if err != nil || len(left) == 0 {
		return nil, 0, err
	}
	r.o.Log.Warn(message, "sessions", describe(left), "time_left", limit)
	start, wait := time.Now(), r.o.Progress.StartWait()
	defer wait.End()
	for {
		if err := retry.Sleep(ctx, pollInterval); err != nil {
			return nil, waited, err
		}
		now, err := list()
		if err != nil {
			return nil, waited, err
		}
		left = slices.DeleteFunc(left, func(s toolrun.ToolSession) bool { return !slices.ContainsFunc(now, s.SameTransaction) })
		waited = time.Since(start)
		if len(left) == 0 {
			r.o.Log.Info("sessions of an earlier run have ended", "waited", waited.Round(time.Millisecond))
		}
		if len(left) == 0 || waited > limit {
			return left, waited, nil
		}
		if wait.Due() {
			wait.Show(progress.Status{Message: "waiting for sessions of an earlier run", TimeName: "waited",
				Facts: []progress.Fact{{Name: "session", Value: left[0].String(), Bar: fmt.Sprintf("pid %d", left[0].PID)}, lock.WaitLimit(limit - waited)}})
		}
	}
}

func describe(sessions []toolrun.ToolSession) []string {
	var out []string
	for _, s := range sessions {
		out = append(out, s.String())
	}
	return out
}
