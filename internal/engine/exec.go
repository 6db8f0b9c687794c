package engine

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/shiplock/shiplock/internal/child"
	"github.com/shiplock/shiplock/internal/postgres"
	"github.com/shiplock/shiplock/internal/progress"
)

// Tool is somebody else's program that migrates.
type Tool struct {
	Command child.Command
	Line    string // the command as it is shown and journaled: without secrets
	// Progress shows that it runs.
	Progress *progress.Display
	// SessionGrace is how long its sessions in the database may take to end after it.
	SessionGrace time.Duration
}

// ToolResult is what a tool that succeeded has done.
type ToolResult struct {
	Took           time.Duration
	Changes        []string // of the schema, in words
	SchemaCompared bool     // else the schema could not be compared
}

// ToolError is a tool that failed, or that was ended.
type ToolError struct {
	Line string
	Exit child.Exit
	Err  error // what ended it, or the loss of the lock in which it failed; nil if it failed by itself
	// Changes is what it has done to the schema, where SchemaCompared.
	Changes        []string
	SchemaCompared bool
	Leftovers      ToolLeftovers
	// Marks are what it has left in its own table, and refuses to run with.
	Marks []postgres.ToolProblem
}

func (e *ToolError) Error() string {
	if e.Exit.StopCause != nil {
		return fmt.Sprintf("%s was ended: %v", e.Line, e.Err)
	}
	return fmt.Sprintf("%s failed: %s", e.Line, e.ExitText())
}

func (e *ToolError) Unwrap() error { return e.Err }

// ExitText says how the process ended: "exit code 1", "SIGKILL".
func (e *ToolError) ExitText() string { return exitText(e.Exit) }

// StartError is a tool that could not be started.
type StartError struct {
	Line string
	Err  error
}

func (e *StartError) Error() string { return fmt.Sprintf("%s does not start: %v", e.Line, e.Err) }
func (e *StartError) Unwrap() error { return e.Err }

// LockLostError says that the lock went while the tool ran.
type LockLostError struct{ Err error }

func (e *LockLostError) Error() string { return fmt.Sprintf("the lock was lost: %v", e.Err) }
func (e *LockLostError) Unwrap() error { return e.Err }

const (
	// lockCheckInterval is how often the lock is looked at.
	lockCheckInterval = time.Second
	// inspectionTimeout bounds the look at the schema when we were told to end, or the database may be gone.
	inspectionTimeout = 5 * time.Second
)

// Exec runs a tool under the lock of foreign tools: no two at once, whichever they
// are. Whatever ends ctx, and the loss of the lock, ends the tool. What it has done
// to the schema is found by comparison, and the run is journaled. Errors are those
// of Up before anything runs, *StartError, and *ToolError.
func Exec(ctx context.Context, o Options, tool Tool) (ToolResult, error) {
	o.Postgres.ExternalToolLock = true
	db, err := openPrimary(ctx, o)
	if err != nil {
		return ToolResult{}, err
	}
	defer closeSession(o, db)
	if db.Server.Standby {
		return ToolResult{}, &postgres.ConnectError{Target: db.Target(), Attempts: 1, Err: postgres.ErrStandby, Permanent: true}
	}
	if err := db.Lock(ctx); err != nil {
		return ToolResult{}, err
	}
	o.Postgres = db.SameTables(o.Postgres) // the tool may make a schema that comes first in the search_path
	r := toolRun{o: o, tool: tool, pooled: db.Pooled()}
	defer context.AfterFunc(ctx, func() { r.stopRequested.CompareAndSwap(nil, new(time.Now())) })()
	r.row = postgres.ToolRun{Command: tool.Line, Outcome: postgres.ToolRunning, Started: time.Now()}
	if err := r.begin(ctx); err != nil {
		return ToolResult{}, err
	}
	o.Log.Info("running", "command", tool.Line)
	exit, why, err := runUnderLock(ctx, db, r.tool)
	if err != nil {
		r.finish(ctx, child.Exit{Code: -1}, postgres.ToolFailed, err.Error())
		return ToolResult{}, &StartError{Line: tool.Line, Err: err}
	}
	result, err := r.result(ctx, exit, why)
	if why == nil {
		if unlockErr := db.Unlock(ctx); unlockErr != nil { // it goes with the session
			o.Log.Debug("releasing the lock", "error", unlockErr)
		}
	}
	return result, err
}

// runUnderLock runs the command, and ends it when the lock is lost. why is what ended
// it; also the loss of the lock where the command saw that first, and failed.
func runUnderLock(ctx context.Context, db *postgres.DB, tool Tool) (exit child.Exit, why, err error) {
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
			if err := db.CheckLock(context.WithoutCancel(ctx)); err != nil {
				lose(&LockLostError{Err: err})
				return
			}
			tool.show(ctx, db, working)
		}
	}()
	c.Signal = stopSignal
	exit, err = child.Run(run, c)
	close(stop)
	<-stopped // the session is one goroutine's at a time
	if why = exit.StopCause; why == nil && exit.Code != 0 {
		if lost := db.CheckLock(context.WithoutCancel(ctx)); lost != nil {
			why = &LockLostError{Err: lost}
		}
	}
	return exit, why, err
}

// show shows that the tool still runs, with what it does in the database.
func (t Tool) show(ctx context.Context, db *postgres.DB, working *progress.Activity) {
	if !working.Due() {
		return
	}
	var facts []progress.Fact
	if patience, ever := t.Progress.QueryDelay(); ever && working.Elapsed() >= patience {
		facts, _ = db.ToolActivity(ctx) // a lost session is noticed by who looks at the lock
	}
	facts = append([]progress.Fact{{Name: "command", Value: t.Line, Bar: t.Line}}, facts...)
	working.Show(progress.Status{Message: "the tool still runs", Facts: append(facts, untilDeadline(ctx)...)})
}

// untilDeadline is how long a run may take yet; nothing where there is no limit.
func untilDeadline(ctx context.Context) []progress.Fact {
	limit, ok := ctx.Deadline()
	if !ok {
		return nil
	}
	return []progress.Fact{postgres.WaitLimit(time.Until(limit))}
}

// stopSignal hands on the signal that has come to us; else it is the usual one.
func stopSignal(cause error) syscall.Signal {
	var s *SignalError
	if errors.As(cause, &s) {
		if n, ok := s.Signal.(syscall.Signal); ok {
			return n
		}
	}
	return syscall.SIGTERM
}

func exitText(e child.Exit) string {
	if e.Signal != 0 {
		if name, ok := signalNames[e.Signal]; ok {
			return name
		}
		return fmt.Sprintf("signal %d", e.Signal)
	}
	return fmt.Sprintf("exit code %d", e.Code)
}

var signalNames = map[syscall.Signal]string{
	syscall.SIGHUP: "SIGHUP", syscall.SIGINT: "SIGINT", syscall.SIGQUIT: "SIGQUIT", syscall.SIGILL: "SIGILL", syscall.SIGABRT: "SIGABRT",
	syscall.SIGBUS: "SIGBUS", syscall.SIGKILL: "SIGKILL", syscall.SIGSEGV: "SIGSEGV", syscall.SIGPIPE: "SIGPIPE", syscall.SIGTERM: "SIGTERM",
}

// toolRun is the part of Exec that looks at the database: each time by a session of
// its own, because the one that holds the lock may be lost by then.
type toolRun struct {
	o    Options
	tool Tool
	row  postgres.ToolRun
	id   int64
	was  *postgres.Fingerprint // nil where it could not be read

	pooled        bool
	trace         *postgres.ToolTrace
	roles         []string
	connections   connectionLog
	leftover      []postgres.ToolSession    // at work when processes that the tool had left were ended
	stopRequested atomic.Pointer[time.Time] // when the run was told to end
}

// stopTime is when the run was told to end.
func (r *toolRun) stopTime() time.Time {
	if at := r.stopRequested.Load(); at != nil {
		return *at
	}
	return time.Now()
}

// begin takes the fingerprint and opens the journal's row. Neither is worth a
// failed deployment: what cannot be had is said, and the tool runs.
func (r *toolRun) begin(ctx context.Context) error {
	return r.withSession(ctx, func(db *postgres.DB) (err error) {
		if err = r.trackSessions(ctx, db); err != nil {
			return err
		}
		f, err := db.Fingerprint(ctx)
		if err != nil {
			r.warn("the schema cannot be read; whether the tool changes it will not be known", err)
		} else {
			r.was, r.row.Before = &f, f.Sum()
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if r.id, err = db.RecordToolRun(ctx, 0, r.row); err != nil {
			r.warn("the run is not journaled", err)
		}
		return nil
	})
}

// trackSessions makes ready to find the tool's sessions, and waits for those of an earlier run.
func (r *toolRun) trackSessions(ctx context.Context, db *postgres.DB) error {
	r.roles = rolesOf(db.Server.User, r.tool.Command)
	trace, err := db.NewToolTrace(ctx, r.pooled)
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
		r.warn("the sessions cannot be read; what the tool leaves at work in the database will not be known", err)
	}
	if r.trace != nil {
		r.tool.Command.Env = sessionEnvironment(r.tool.Command, r.trace, r.o.Postgres.DSN.Address())
		r.tool.Command.Connections = r.connections.add
		r.tool.Command.Leftover = func() { r.recordLeftovers(ctx) }
	}
	return nil
}

func (r *toolRun) warn(what string, err error) {
	r.o.Log.Warn(what, "error", r.o.Postgres.DSN.Redact(err.Error()))
}

func (r *toolRun) withSession(ctx context.Context, use func(*postgres.DB) error) error {
	db, err := openPrimary(ctx, r.o)
	if err != nil {
		return err
	}
	defer closeSession(r.o, db)
	return use(db)
}

// toolOutcome is what the database says of a tool that has ended.
type toolOutcome struct {
	changes   []string
	known     bool // else there was nothing to compare with
	leftovers ToolLeftovers
	marks     []postgres.ToolProblem
}

// finish waits for what the tool has left in the server, compares, and writes the
// journal's row.
func (r *toolRun) finish(ctx context.Context, exit child.Exit, how, ended string) (out toolOutcome) {
	if how == postgres.ToolStopped {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), inspectionTimeout+r.tool.SessionGrace)
		defer cancel()
	}
	r.row.Outcome, r.row.ExitCode, r.row.Exit, r.row.Duration = how, exit.Code, ended, exit.Took
	err := r.withSession(ctx, func(db *postgres.DB) error {
		var err error
		if out.leftovers, err = r.waitForSessions(context.WithoutCancel(ctx), db, exit); err != nil {
			r.warn("the sessions cannot be read; whether the tool has left one at work is not known", err)
		}
		if how == postgres.ToolSucceeded && out.leftovers.any() {
			r.row.Outcome = postgres.ToolFailed
		}
		if r.row.Outcome != postgres.ToolSucceeded {
			if out.marks, err = db.ToolProblems(ctx); err != nil {
				r.o.Log.Debug("looking for what the tool has left in its own table", "error", err)
			}
		}
		now, err := db.Fingerprint(ctx)
		if err != nil {
			r.warn("the schema cannot be read; whether the tool has changed it is not known", err)
		} else if r.row.After = now.Sum(); r.was != nil {
			out.changes, out.known = r.was.Changes(now), true
			r.row.Changes = out.changes
		}
		_, err = db.RecordToolRun(ctx, r.id, r.row)
		return err
	})
	if err != nil {
		r.warn("the end of the run is not journaled", err)
	}
	return out
}

func (r *toolRun) result(ctx context.Context, exit child.Exit, why error) (ToolResult, error) {
	how := postgres.ToolSucceeded
	switch {
	case why != nil:
		how = postgres.ToolStopped
	case exit.Code != 0:
		how = postgres.ToolFailed
	}
	out := r.finish(ctx, exit, how, exitText(exit))
	if how == postgres.ToolSucceeded && !out.leftovers.any() {
		return ToolResult{Took: exit.Took, Changes: out.changes, SchemaCompared: out.known}, nil
	}
	return ToolResult{}, &ToolError{Line: r.tool.Line, Exit: exit, Err: why, Changes: out.changes, SchemaCompared: out.known, Leftovers: out.leftovers, Marks: out.marks}
}
