// Package exectool runs an external migration tool under the migration lock (migrator exec): [Run]
// starts a [Tool], stops it if the lock is lost, waits for the sessions that it leaves in the server,
// and compares the schema before and after. A failure is a [ToolError]. cli calls it, and report
// explains its errors; package toolrun has its queries.
package exectool

import (
	"context"
	"errors"
	"syscall"
	"time"

	"github.com/shiplock/shiplock/internal/database"
	"github.com/shiplock/shiplock/internal/interrupt"
	"github.com/shiplock/shiplock/internal/lock"
	"github.com/shiplock/shiplock/internal/postgres"
	"github.com/shiplock/shiplock/internal/progress"
	"github.com/shiplock/shiplock/internal/subprocess"
	"github.com/shiplock/shiplock/internal/toolrun"
)

// Run runs a tool under the lock for external tools, which prevents any two of them from
// running at once. The tool is stopped when ctx ends or the lock is lost. Run compares the
// schema before and after, and records the run in the history of external tools. Errors
// are those of migrator.Up before anything runs, *NewerError, *StaleLockError, *StartError, and
// *ToolError.
func Run(ctx context.Context, o database.Options, tool Tool) (ToolResult, error) {
	o.Tables.ExternalTool = true
	db, err := database.OpenPrimary(ctx, o)
	if err != nil {
		return ToolResult{}, err
	}
	defer db.Close(o.Log)
	if db.Session.Server.Standby {
		return ToolResult{}, &postgres.ConnectError{Target: db.Session.Target(), Attempts: 1, Err: postgres.ErrStandby, Permanent: true}
	}
	if err := db.Lock(ctx, nil); err != nil {
		return ToolResult{}, err
	}
	o = db.SameTables(o) // the tool may create a schema that comes first in the search_path
	r := toolRun{o: o, tool: tool, pooled: db.Session.Shared}
	defer context.AfterFunc(ctx, func() { r.stopRequested.CompareAndSwap(nil, new(time.Now())) })()
	r.row = toolrun.ToolRun{Command: tool.Line, Outcome: toolrun.ToolRunning, Started: time.Now(), Version: tool.Version}
	if err := r.begin(ctx); err != nil {
		return ToolResult{}, err
	}
	o.Log.Info("running external tool", "command", tool.Line)
	exit, why, err := runUnderLock(ctx, db, r.tool)
	if err != nil {
		r.finish(ctx, subprocess.Exit{Code: -1}, toolrun.ToolFailed, err.Error())
		return ToolResult{}, &StartError{Line: tool.Line, Err: err}
	}
	result, err := r.result(ctx, exit, why)
	if why == nil {
		if unlockErr := db.Locker.Unlock(ctx); unlockErr != nil { // the server releases it with the session
			o.Log.Debug("could not release the lock", "error", unlockErr)
		}
	}
	return result, err
}

// runUnderLock runs the command, and stops it if the lock is lost. why is the reason it was
// stopped, also if the command noticed the loss of the lock first and failed.
func runUnderLock(ctx context.Context, db *database.Database, tool Tool) (exit subprocess.Exit, why, err error) {
	c, working := tool.Command, tool.Progress.Start()
	defer working.End()
	run, lose := context.WithCancelCause(ctx)
	defer lose(nil)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(lockCheckInterval)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
			}
			if err := db.Tools.CheckLock(context.WithoutCancel(ctx)); err != nil {
				lose(&LockLostError{Err: err})
				return
			}
			tool.show(ctx, db, working)
		}
	}()
	c.Signal = stopSignal
	exit, err = subprocess.Run(run, c)
	close(stop)
	<-stopped // only one goroutine may use the session at a time
	if why = exit.StopCause; why == nil && exit.Code != 0 {
		if lost := db.Tools.CheckLock(context.WithoutCancel(ctx)); lost != nil {
			why = &LockLostError{Err: lost}
		}
	}
	return exit, why, err
}

// show reports that the tool is running, with its activity in the database.
func (t Tool) show(ctx context.Context, db *database.Database, working *progress.Activity) {
	if !working.Due() {
		return
	}
	var facts []progress.Fact
	if patience, ever := t.Progress.QueryDelay(); ever && working.Elapsed() >= patience {
		facts, _ = db.Tools.ToolActivity(ctx) // the lock check detects a lost session
	}
	facts = append([]progress.Fact{{Name: "command", Value: t.Line, Bar: t.Line}}, facts...)
	working.Show(progress.Status{Message: "external tool still running", Facts: append(facts, lock.UntilDeadline(ctx)...)})
}

// stopSignal returns the signal that stopped this process, or SIGTERM.
func stopSignal(cause error) syscall.Signal {
	var s *interrupt.SignalError
	if errors.As(cause, &s) {
		if n, ok := s.Signal.(syscall.Signal); ok {
			return n
		}
	}
	return syscall.SIGTERM
}

// begin takes a snapshot of the schema and inserts the history row. Neither is worth a
// failed deployment: if one fails, a warning is logged and the tool runs.
func (r *toolRun) begin(ctx context.Context) error {
	return r.withSession(ctx, func(db *database.Database) (err error) {
		if err = r.trackSessions(ctx, db); err != nil {
			return err
		}
		var newer *NewerError
		if err = r.checkNewer(ctx, db); errors.As(err, &newer) {
			return err
		} else if err != nil {
			r.warn("could not read the history of external tools; newer versions are not recognized", err)
		}
		if err = r.checkToolLocks(ctx, db); err != nil {
			var stale *StaleLockError
			if errors.As(err, &stale) {
				return err
			}
			r.warn("could not read the tool's own lock", err)
		}
		f, err := db.Schema.Fingerprint(ctx)
		if err != nil {
			r.warn("could not read the schema; schema changes by the tool will not be reported", err)
		} else {
			r.was, r.row.Before = &f, f.Sum()
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if r.id, err = db.Tools.RecordToolRun(ctx, 0, r.row); err != nil {
			r.warn("could not record the run in the history table", err)
		}
		return nil
	})
}

// trackSessions prepares for finding the tool's sessions, and waits for those of an earlier run.
func (r *toolRun) trackSessions(ctx context.Context, db *database.Database) error {
	r.roles = rolesOf(db.Session.Server.User, r.tool.Command)
	trace, err := db.Tools.NewToolTrace(ctx, r.pooled)
	if err == nil {
		r.trace = trace
		err = r.waitForEarlierRun(ctx, db)
	}
	var earlier *EarlierToolError
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.As(err, &earlier):
		return err
	case err != nil:
		r.warn("could not list database sessions; sessions that the tool leaves running will not be reported", err)
	}
	if r.trace != nil {
		r.tool.Command.Env = sessionEnvironment(r.tool.Command, r.trace, r.o.DSN.Address())
		r.tool.Command.Connections = r.connections.add
		r.tool.Command.Leftover = func() { r.recordLeftovers(ctx) }
	}
	return nil
}

// A toolOutcome is the state of the database after a tool has ended.
type toolOutcome struct {
	changes   []string
	known     bool // false if the schema could not be compared
	leftovers ToolLeftovers
	marks     []toolrun.ToolProblem
	allowed   bool // see allowsFailure
}

// finish waits for the sessions that the tool has left in the server, compares the schema,
// and updates the history row.
func (r *toolRun) finish(ctx context.Context, exit subprocess.Exit, how, ended string) (out toolOutcome) {
	if how == toolrun.ToolStopped {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), inspectionTimeout+r.tool.SessionGrace)
		defer cancel()
	}
	r.row.Outcome, r.row.ExitCode, r.row.Exit, r.row.DurationSeconds = how, exit.Code, ended, exit.Took.Seconds()
	err := r.withSession(ctx, func(db *database.Database) error {
		var err error
		if out.leftovers, err = r.waitForSessions(context.WithoutCancel(ctx), db, exit); err != nil {
			r.warn("could not list database sessions; sessions that the tool left running are unknown", err)
		}
		if how == toolrun.ToolSucceeded && out.leftovers.any() {
			r.row.Outcome = toolrun.ToolFailed
		}
		if r.row.Outcome != toolrun.ToolSucceeded {
			if out.marks, err = db.Tools.ToolProblems(ctx); err != nil {
				r.o.Log.Debug("could not read the tool's own version table", "error", err)
			}
		}
		now, err := db.Schema.Fingerprint(ctx)
		if err != nil {
			r.warn("could not read the schema; schema changes by the tool are unknown", err)
		} else if r.row.After = now.Sum(); r.was != nil {
			out.changes, out.known = r.was.Changes(now), true
			r.row.Changes = out.changes
		}
		if out.allowed = r.allowsFailure(exit, out); out.allowed {
			r.row.Outcome = toolrun.ToolAllowed
		}
		_, err = db.Tools.RecordToolRun(ctx, r.id, r.row)
		return err
	})
	if err != nil {
		r.warn("could not record the end of the run in the history table", err)
	}
	return out
}

func (r *toolRun) result(ctx context.Context, exit subprocess.Exit, why error) (ToolResult, error) {
	how := toolrun.ToolSucceeded
	switch {
	case why != nil:
		how = toolrun.ToolStopped
	case exit.Code != 0:
		how = toolrun.ToolFailed
	}
	out := r.finish(ctx, exit, how, exitText(exit))
	switch {
	case how == toolrun.ToolSucceeded && !out.leftovers.any():
		return ToolResult{Took: exit.Took, Changes: out.changes, SchemaCompared: out.known, Exit: exit}, nil
	case how == toolrun.ToolFailed && out.allowed:
		return ToolResult{Took: exit.Took, SchemaCompared: true, Allowed: r.newer, Exit: exit}, nil
	}
	return ToolResult{}, &ToolError{Line: r.tool.Line, Exit: exit, Err: why, Changes: out.changes, SchemaCompared: out.known, Leftovers: out.leftovers, Marks: out.marks}
}

// allowsFailure reports whether the tool has failed only because the database is newer than its
// files: it exited by itself and changed nothing, and a newer version has migrated the database. Many
// tools refuse a version in their table that they have no file for.
func (r *toolRun) allowsFailure(exit subprocess.Exit, out toolOutcome) bool {
	return r.newer != nil && exit.StopCause == nil && exit.Signal == 0 && exit.Code > 0 && !isSignalCode(exit.Code) &&
		out.known && len(out.changes) == 0 && len(out.marks) == 0 && !out.leftovers.any()
}

// isSignalCode reports whether a shell returns the exit code for a command that a signal has ended. Alembic
// exits with 255 by itself.
func isSignalCode(code int) bool { return code > 128 && code <= 128+64 }
