package exectool

import (
	"fmt"
	"slices"
	"time"

	"github.com/shiplock/shiplock/internal/interrupt"
	"github.com/shiplock/shiplock/internal/planner"
	"github.com/shiplock/shiplock/internal/progress"
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
	OnStaleLock  OnStaleLock
	// Version identifies the tool's image or files, such as the image's tag. If it is empty, newer
	// versions are not recognized.
	Version string
	OnNewer planner.OnNewer // AllowNewer or FailNewer
}

// OnStaleLock is the action for a row with which the tool locks its migrations, and which an
// earlier run has left.
type OnStaleLock string

// The values of OnStaleLock.
const (
	FailOnStaleLock    OnStaleLock = "fail"
	ReleaseOnStaleLock OnStaleLock = "release"
)

// A ToolResult is the outcome of a tool that succeeded.
type ToolResult struct {
	Took           time.Duration
	Changes        []string // schema changes, as text
	SchemaCompared bool     // false if the schema could not be compared
	// Allowed is the run of a newer version because of which the tool's failure was allowed, or nil.
	Allowed *toolrun.NewerRun
	Exit    subprocess.Exit
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

func exitText(e subprocess.Exit) string {
	if e.Signal != 0 {
		return interrupt.SignalName(e.Signal)
	}
	return fmt.Sprintf("exit code %d", e.Code)
}

// Values of LeftoverSession.Fate.
const (
	SessionRemains    = "remains"
	SessionEnded      = "ended"
	SessionCanceled   = "canceled"
	SessionTerminated = "terminated"
)

// A LeftoverSession is a session that was still active after its tool had ended.
type LeftoverSession struct {
	toolrun.ToolSession
	Fate   string
	Denied bool // the role has no permission to terminate it
}

// ToolLeftovers are the sessions and prepared transactions that a tool has left in the server.
type ToolLeftovers struct {
	SessionsKnown bool // false if the sessions could not be listed
	Sessions      []LeftoverSession
	Prepared      []toolrun.PreparedTransaction
}

// StillActive reports whether a leftover may still change the schema or hold locks.
func (r ToolLeftovers) StillActive() bool {
	return len(r.Prepared) > 0 || slices.ContainsFunc(r.Sessions, func(s LeftoverSession) bool { return s.Fate == SessionRemains })
}

// any reports whether there are leftovers.
func (r ToolLeftovers) any() bool { return len(r.Sessions)+len(r.Prepared) > 0 }

// An EarlierToolError reports that sessions of an earlier run are still active.
type EarlierToolError struct {
	Waited   time.Duration
	Sessions []toolrun.ToolSession
}

func (e *EarlierToolError) Error() string {
	return fmt.Sprintf("sessions of an earlier run of an external tool are still active after %s: %s", e.Waited.Round(time.Millisecond), e.Sessions[0])
}
