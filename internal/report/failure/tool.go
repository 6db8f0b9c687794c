package failure

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"time"

	"github.com/shiplock/shiplock/internal/exectool"
	"github.com/shiplock/shiplock/internal/report"
	"github.com/shiplock/shiplock/internal/report/advice"
	"github.com/shiplock/shiplock/internal/text"
	"github.com/shiplock/shiplock/internal/toolrun"
)

const (
	maxCommand = 600
	maxChanges = 8 // lines
)

// toolReport describes an external tool that failed or was stopped. Its exit code is that
// of a migration: 6 if the schema is unchanged, otherwise 7.
func toolReport(_ error, e *exectool.ToolError) report.Report {
	c := report.Report{Code: toolCode(e), Database: lostDatabase(e.Err)}
	what := fmt.Sprintf("failed (%s)", e.ExitText())
	if leftUnfinishedWork(e) {
		what = "exited with code 0 but left unfinished work in the database"
	} else if e.Exit.StopCause != nil {
		what = fmt.Sprintf("was interrupted (%v)", e.Err)
	} else if e.Err != nil {
		what += fmt.Sprintf(" as %v", e.Err)
	}
	c.Title = fmt.Sprintf("%s %s; %s", text.Clip(e.Line, report.MaxCommandTitle), what, toolTitle(e))
	c.AddFolded("command", text.Clip(e.Line, maxCommand))
	c.Add("exit", toolExit(e))
	if len(e.Exit.Errors) > 0 {
		c.AddFolded("error", strings.Join(e.Exit.Errors, "\n"))
	}
	if len(e.Exit.Last) > 0 {
		c.AddFolded("output", strings.Join(e.Exit.Last, "\n"))
	}
	if n := len(e.Changes) - maxChanges; n > 0 {
		c.AddVerbatim("schema", strings.Join(e.Changes[:maxChanges], "\n")+fmt.Sprintf("\nand %d more", n))
	} else if len(e.Changes) > 0 {
		c.AddVerbatim("schema", strings.Join(e.Changes, "\n"))
	}
	c.Add("sessions", toolSessions(e.Leftovers))
	c.Add("prepared", toolPrepared(e.Leftovers))
	c.Add("tool state", toolProblems(e.Marks))
	c.Add("state", toolState(e))
	c.Add("next", toolAdvice(e))
	return c
}

func toolProblems(problems []toolrun.ToolProblem) string {
	var lines []string
	for _, p := range problems {
		lines = append(lines, fmt.Sprintf("%s (%s): %s", p.Location, p.Tool, p.Problem))
	}
	return limitedLines(lines)
}

// leftUnfinishedWork reports whether a tool exited with code 0 but left active sessions or
// prepared transactions.
func leftUnfinishedWork(e *exectool.ToolError) bool {
	return e.Err == nil && e.Exit.StopCause == nil && e.Exit.Code == 0
}

var sessionOutcomes = map[string]string{
	exectool.SessionRemains:    "still running",
	exectool.SessionEnded:      "ended after the tool; its result is unknown",
	exectool.SessionCanceled:   "canceled by the migrator",
	exectool.SessionTerminated: "terminated by the migrator",
}

func toolSessions(r exectool.ToolLeftovers) string {
	var lines []string
	for _, s := range r.Sessions {
		line := s.String()
		if s.Fate == exectool.SessionRemains && !s.Certain {
			line += "; it may belong to the tool: it started while the tool ran, with the same role and client address"
		}
		if line += ": " + sessionOutcomes[s.Fate]; s.Denied {
			line += "; the migrator's role may not terminate it"
		}
		lines = append(lines, line)
	}
	return limitedLines(lines)
}

func toolPrepared(r exectool.ToolLeftovers) string {
	var lines []string
	for _, p := range r.Prepared {
		lines = append(lines, fmt.Sprintf("transaction %q (owner %s) is prepared, and neither committed nor rolled back", p.GID, p.Owner))
	}
	return limitedLines(lines)
}

func limitedLines(lines []string) string {
	if n := len(lines) - advice.MaxSessions; n > 0 {
		lines = append(lines[:advice.MaxSessions:advice.MaxSessions], fmt.Sprintf("and %d more", n))
	}
	return strings.Join(lines, "\n")
}

func toolCode(e *exectool.ToolError) int {
	code := stopCode(e)
	switch {
	case e.Leftovers.StillActive():
		return report.ExitPartiallyApplied
	case code != 0:
		return code
	case e.Err != nil:
		return report.ExitDatabase
	case e.SchemaCompared && len(e.Changes) == 0:
		return report.ExitFailed
	}
	return report.ExitPartiallyApplied
}

func toolTitle(e *exectool.ToolError) string {
	switch {
	case e.Leftovers.StillActive() && len(e.Leftovers.Prepared) > 0:
		return "a prepared transaction is pending, so the state of the schema is unknown"
	case e.Leftovers.StillActive():
		return "it is still running in the database, so the state of the schema is unknown"
	case !e.SchemaCompared:
		return "it is unknown whether it changed the schema"
	case len(e.Changes) == 0:
		return "the schema is unchanged"
	}
	return "it changed the schema"
}

func toolExit(e *exectool.ToolError) string {
	end := fmt.Sprintf("%s after %s", e.ExitText(), e.Exit.Took.Round(100*time.Millisecond))
	switch {
	case e.Exit.Killed:
		end += ": it did not exit within the grace period (--grace) and was killed"
	case killedByKernel(e):
		end += ": the migrator did not send this signal; most likely the kernel did, because memory ran out"
	}
	return end
}

// killedByKernel reports whether the tool was most likely killed by the kernel's
// out-of-memory killer. A shell or npm that runs the tool reports this as exit code 128 + 9.
func killedByKernel(e *exectool.ToolError) bool {
	return e.Exit.StopCause == nil && (e.Exit.Signal == syscall.SIGKILL || e.Exit.Code == report.ExitSignal+int(syscall.SIGKILL))
}

func toolState(e *exectool.ToolError) string {
	var s string
	switch {
	case e.Leftovers.StillActive() && e.SchemaCompared:
		return fmt.Sprintf("%s so far; the unfinished work may add more", text.Plural(len(e.Changes), "schema change"))
	case !e.SchemaCompared:
		s = "the schema could not be compared with its earlier state"
	case len(e.Changes) == 0:
		s = "no table, column, constraint, index, view, function, type or other object changed; rows are not compared"
	default:
		s = fmt.Sprintf("%s, listed above; rows are not compared", text.Plural(len(e.Changes), "schema change"))
	}
	if !e.Leftovers.SessionsKnown && (e.Exit.Killed || e.Exit.Signal == syscall.SIGKILL) {
		s += "; a statement that it sent may still be running on the server (see pg_stat_activity)"
	}
	return s
}

// toolAdvice returns numbered steps: first end the sessions that block the tool, then
// resolve its partial changes, then fix the cause. Running a tool again is right only if it
// left nothing, or itself records which migrations it has applied.
func toolAdvice(e *exectool.ToolError) string {
	var steps []string
	add := func(step string) {
		if step != "" {
			steps = append(steps, step)
		}
	}
	if e.Leftovers.StillActive() {
		add(advice.EndSessions(e.Leftovers))
	} else if !e.Leftovers.SessionsKnown && (e.Exit.Killed || killedByKernel(e)) {
		add("check in pg_stat_activity whether its statement has ended")
	}
	if !e.SchemaCompared || len(e.Changes) > 0 || e.Leftovers.StillActive() {
		add("check in the tool's own table which of its migrations are recorded as applied")
		add("roll back or complete the schema changes that belong to none of them")
	}
	for i, m := range e.Marks {
		if i == 0 || m != e.Marks[i-1] {
			add(advice.ToolState(m))
		}
	}
	steps = append(steps, toolFinalStep(e, len(steps) == 0))
	if len(steps) == 1 {
		return steps[0]
	}
	for i, step := range steps {
		steps[i] = fmt.Sprintf("%d. %s", i+1, step)
	}
	return strings.Join(steps, "\n")
}

// toolFinalStep returns the last step, which fixes the cause. clean reports whether the tool
// left nothing that blocks its next run.
func toolFinalStep(e *exectool.ToolError, clean bool) string {
	again := "run it again"
	if clean && e.Err != nil {
		again += "; the tool skips the migrations that it has recorded as applied"
	}
	var lost *exectool.LockLostError
	switch {
	case leftUnfinishedWork(e) && len(e.Leftovers.Sessions) == 0:
		return "change the tool to commit or roll back the transactions that it prepares, and deploy again"
	case leftUnfinishedWork(e):
		return "change the tool to wait for its statements before it exits (in a shell: wait), and deploy again"
	case errors.As(e, &lost):
		return "wait until the database is available, and " + again
	case e.Err != nil && stopCode(e) == report.ExitTimeout:
		return "raise --timeout if the tool needs more time (in the chart: timeout, and activeDeadlineSeconds above it), and " + again
	case e.Err != nil:
		return again
	case killedByKernel(e):
		return "raise its memory limit (in Kubernetes: resources.limits.memory) and " + again
	}
	return "fix the error shown in the output and deploy again"
}

func startReport(_ error, e *exectool.StartError) report.Report {
	c := report.Report{Code: report.ExitUsage, Title: e.Error()}
	c.Add("state", noChanges)
	if errors.Is(e, syscall.ENOEXEC) {
		c.Add("next", "add a first line such as #!/bin/sh to a script; build a program for this machine's architecture")
	} else {
		c.Add("next", "check the command and the image that contains it")
	}
	return c
}

// earlierToolReport describes a run that did not start because sessions of an earlier run
// were still active.
func earlierToolReport(_ error, e *exectool.EarlierToolError) report.Report {
	c := report.Report{Code: report.ExitLocked, Title: fmt.Sprintf("timed out after %s waiting for sessions of an earlier run of the tool (--lock-wait)", e.Waited.Round(time.Millisecond))}
	var lines, ends []string
	for _, s := range e.Sessions {
		lines, ends = append(lines, s.String()), append(ends, fmt.Sprintf("SELECT pg_terminate_backend(%d);", s.PID))
	}
	c.Add("sessions", limitedLines(lines))
	c.Add("state", noChanges)
	c.Add("next", "wait for these sessions to end and run it again, or terminate them: "+strings.Join(ends[:min(len(ends), advice.MaxSessions)], " "))
	return c
}

// staleLockReport describes a run that did not start because an earlier run has left the tool's lock.
func staleLockReport(_ error, e *exectool.StaleLockError) report.Report {
	title, next := advice.StaleLock(e)
	c := report.Report{Code: report.ExitRefused, Title: title}
	c.Add("tool state", toolProblems(e.Locks))
	c.Add("sessions", limitedLines(e.Describe()))
	c.Add("state", noChanges)
	c.Add("next", next)
	return c
}

// newerToolReport describes a run that did not start because a newer version has migrated the database.
func newerToolReport(_ error, e *exectool.NewerError) report.Report {
	c := report.Report{Code: report.ExitRefused, Title: e.Error()}
	c.Add("newer run", e.Newer.String())
	c.Add("state", noChanges)
	c.Add("next", "deploy the newer version, or set --on-newer allow if this version is compatible with the newer schema")
	return c
}
