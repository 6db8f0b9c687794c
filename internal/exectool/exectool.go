// Package exectool runs an external migration tool under the migration lock (migrator exec): [Run]
// starts a [Tool], stops it if the lock is lost, waits for the sessions that it leaves in the server,
// and compares the schema before and after. A failure is a [ToolError]. cli calls it, and report
// explains its errors; package toolrun has its queries.
package exectool

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/shiplock/shiplock/internal/database"
	"github.com/shiplock/shiplock/internal/interrupt"
	"github.com/shiplock/shiplock/internal/lock"
	"github.com/shiplock/shiplock/internal/postgres"
	"github.com/shiplock/shiplock/internal/progress"
	"github.com/shiplock/shiplock/internal/schema"
	"github.com/shiplock/shiplock/internal/subprocess"
	"github.com/shiplock/shiplock/internal/toolrun"
)

// A Tool is an external migration tool.
type Tool struct {
	Command subprocess.Command
	Line    string // the command as it is shown and recorded, without secrets
	// Progress reports that it is running.
	Progress *progress.Display
	// SessionGrace is how long its database sessions may take to end after it exits.
	SessionGrace time.Duration
}

// A ToolResult is the outcome of a tool that succeeded.
type ToolResult struct {
	Took           time.Duration
	Changes        []string // schema changes, as text
	SchemaCompared bool     // false if the schema could not be compared
}

// A ToolError reports a tool that failed or was stopped.
type ToolError struct {
	Line string
	Exit subprocess.Exit
	Err  error // why it was stopped, or the loss of the lock with which it failed; nil if it failed by itself
	// Changes are its schema changes, if SchemaCompared.
	Changes        []string
	SchemaCompared bool
	Leftovers      ToolLeftovers
	// Marks are entries in its own version table that prevent it from running again.
	Marks []toolrun.ToolProblem
}

func (e *ToolError) Error() string {
	if e.Exit.StopCause != nil {
		return fmt.Sprintf("%s was stopped: %v", e.Line, e.Err)
	}
	return fmt.Sprintf("%s failed: %s", e.Line, e.ExitText())
}

func (e *ToolError) Unwrap() error { return e.Err }

// ExitText returns how the process ended, such as "exit code 1" or "SIGKILL".
func (e *ToolError) ExitText() string { return exitText(e.Exit) }

// A StartError reports a tool that could not be started.
type StartError struct {
	Line string
	Err  error
}

func (e *StartError) Error() string { return fmt.Sprintf("could not start %s: %v", e.Line, e.Err) }
func (e *StartError) Unwrap() error { return e.Err }

// A LockLostError reports that the lock was lost while the tool ran.
type LockLostError struct{ Err error }

func (e *LockLostError) Error() string { return fmt.Sprintf("the lock was lost: %v", e.Err) }
func (e *LockLostError) Unwrap() error { return e.Err }

const (
	// lockCheckInterval is how often the lock is checked.
	lockCheckInterval = time.Second
	// inspectionTimeout limits the schema comparison after a signal, or if the database may be unreachable.
	inspectionTimeout = 5 * time.Second
)

// Run runs a tool under the lock for external tools, which prevents any two of them from
// running at once. The tool is stopped when ctx ends or the lock is lost. Run compares the
// schema before and after, and records the run in the history of external tools. Errors
// are those of migrator.Up before anything runs, *StartError, and *ToolError.
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
	r.row = toolrun.ToolRun{Command: tool.Line, Outcome: toolrun.ToolRunning, Started: time.Now()}
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

func exitText(e subprocess.Exit) string {
	if e.Signal != 0 {
		return interrupt.SignalName(e.Signal)
	}
	return fmt.Sprintf("exit code %d", e.Code)
}

// A toolRun is the part of Run that inspects the database. It opens a new session each
// time, because the session that holds the lock may be lost by then.
type toolRun struct {
	o    database.Options
	tool Tool
	row  toolrun.ToolRun
	id   int64
	was  *schema.Fingerprint // nil if it could not be read

	pooled        bool
	trace         *toolrun.ToolTrace
	roles         []string
	connections   connectionLog
	leftover      []toolrun.ToolSession     // active when processes that the tool had left behind were terminated
	stopRequested atomic.Pointer[time.Time] // when the run was asked to stop
}

// stopTime returns when the run was asked to stop.
func (r *toolRun) stopTime() time.Time {
	if at := r.stopRequested.Load(); at != nil {
		return *at
	}
	return time.Now()
}

// begin takes a snapshot of the schema and inserts the history row. Neither is worth a
// failed deployment: if one fails, a warning is logged and the tool runs.
func (r *toolRun) begin(ctx context.Context) error {
	return r.withSession(ctx, func(db *database.Database) (err error) {
		if err = r.trackSessions(ctx, db); err != nil {
			return err
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

func (r *toolRun) warn(what string, err error) {
	r.o.Log.Warn(what, "error", r.o.DSN.Redact(err.Error()))
}

func (r *toolRun) withSession(ctx context.Context, use func(*database.Database) error) error {
	db, err := database.OpenPrimary(ctx, r.o)
	if err != nil {
		return err
	}
	defer db.Close(r.o.Log)
	return use(db)
}

// A toolOutcome is the state of the database after a tool has ended.
type toolOutcome struct {
	changes   []string
	known     bool // false if the schema could not be compared
	leftovers ToolLeftovers
	marks     []toolrun.ToolProblem
}

// finish waits for the sessions that the tool has left in the server, compares the schema,
// and updates the history row.
func (r *toolRun) finish(ctx context.Context, exit subprocess.Exit, how, ended string) (out toolOutcome) {
	if how == toolrun.ToolStopped {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), inspectionTimeout+r.tool.SessionGrace)
		defer cancel()
	}
	r.row.Outcome, r.row.ExitCode, r.row.Exit, r.row.Duration = how, exit.Code, ended, exit.Took
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
	if how == toolrun.ToolSucceeded && !out.leftovers.any() {
		return ToolResult{Took: exit.Took, Changes: out.changes, SchemaCompared: out.known}, nil
	}
	return ToolResult{}, &ToolError{Line: r.tool.Line, Exit: exit, Err: why, Changes: out.changes, SchemaCompared: out.known, Leftovers: out.leftovers, Marks: out.marks}
}
