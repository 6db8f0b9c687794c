package report

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"time"

	"github.com/shiplock/shiplock/internal/engine"
	"github.com/shiplock/shiplock/internal/postgres"
)

const (
	maxToolTitle = 80 // of the command in the title; a row has all of it
	maxCommand   = 600
	maxChanges   = 8 // lines
)

// toolReport explains a tool that failed or was ended. Its exit code is that of a
// migration: whether the schema is as it was decides between 6 and 7.
func toolReport(e *engine.ToolError) Report {
	c := Report{Code: toolCode(e)}
	what := fmt.Sprintf("failed (%s)", e.ExitText())
	if leftUnfinishedWork(e) {
		what = "exited with code 0, but left work in the database unfinished"
	} else if e.Exit.StopCause != nil {
		what = fmt.Sprintf("was ended (%v)", e.Err)
	} else if e.Err != nil {
		what += fmt.Sprintf(" as %v", e.Err)
	}
	c.Title = fmt.Sprintf("%s %s; %s", Clip(e.Line, maxToolTitle), what, toolTitle(e))
	c.addFolded("command", Clip(e.Line, maxCommand))
	c.add("ended", toolEnd(e))
	if len(e.Exit.Errors) > 0 {
		c.addFolded("error", strings.Join(e.Exit.Errors, "\n"))
	}
	if len(e.Exit.Last) > 0 {
		c.addFolded("output", strings.Join(e.Exit.Last, "\n"))
	}
	if n := len(e.Changes) - maxChanges; n > 0 {
		c.addVerbatim("schema", strings.Join(e.Changes[:maxChanges], "\n")+fmt.Sprintf("\nand %d more", n))
	} else if len(e.Changes) > 0 {
		c.addVerbatim("schema", strings.Join(e.Changes, "\n"))
	}
	c.add("sessions", toolSessions(e.Leftovers))
	c.add("prepared", toolPrepared(e.Leftovers))
	c.add("mark", toolMarks(e.Marks))
	c.add("state", toolState(e))
	c.add("next", toolAdvice(e))
	return c
}

func toolMarks(marks []postgres.ToolProblem) string {
	var lines []string
	for _, m := range marks {
		lines = append(lines, fmt.Sprintf("%s (%s): %s", m.Location, m.Tool, m.Problem))
	}
	return limitedLines(lines)
}

// leftUnfinishedWork reports whether a tool's own exit code says that it has succeeded, while it
// has left something at work.
func leftUnfinishedWork(e *engine.ToolError) bool {
	return e.Err == nil && e.Exit.StopCause == nil && e.Exit.Code == 0
}

// maxSessions is how many sessions are listed, and how many statements that end them.
const maxSessions = 5

var sessionOutcomes = map[string]string{
	engine.SessionRemains:    "still at work",
	engine.SessionEnded:      "ended after the tool, with a result that is not known",
	engine.SessionCanceled:   "canceled by the migrator",
	engine.SessionTerminated: "terminated by the migrator",
}

func toolSessions(r engine.ToolLeftovers) string {
	var lines []string
	for _, s := range r.Sessions {
		line := s.String()
		if s.Fate == engine.SessionRemains && !s.Certain {
			line += "; it may be the tool's: it began while the tool ran, with the same role and from the same address"
		}
		if line += ": " + sessionOutcomes[s.Fate]; s.Denied {
			line += "; the migrator's role may not end it"
		}
		lines = append(lines, line)
	}
	return limitedLines(lines)
}

func toolPrepared(r engine.ToolLeftovers) string {
	var lines []string
	for _, p := range r.Prepared {
		lines = append(lines, fmt.Sprintf("transaction %q (owner %s) is prepared, and neither committed nor rolled back", p.GID, p.Owner))
	}
	return limitedLines(lines)
}

func limitedLines(lines []string) string {
	if n := len(lines) - maxSessions; n > 0 {
		lines = append(lines[:maxSessions:maxSessions], fmt.Sprintf("and %d more", n))
	}
	return strings.Join(lines, "\n")
}

// toolEndsSessions is the first step of an advice, where something of the tool remains.
func endSessionsAdvice(r engine.ToolLeftovers) string {
	var steps []string
	for _, s := range r.Sessions {
		if s.Fate == engine.SessionRemains {
			steps = append(steps, fmt.Sprintf("SELECT pg_terminate_backend(%d);", s.PID))
		}
	}
	advice := ""
	if len(steps) > 0 {
		advice = "wait until the sessions above have ended, or end those of the tool: " + strings.Join(steps[:min(len(steps), maxSessions)], " ")
	}
	if len(r.Prepared) > 0 {
		if advice != "" {
			advice += "; "
		}
		p := r.Prepared[0]
		advice += "decide on the prepared transactions: " + p.Statement("COMMIT") + " or " + p.Statement("ROLLBACK")
	}
	return advice
}

func toolCode(e *engine.ToolError) int {
	code := stopCode(e)
	switch {
	case e.Leftovers.StillActive():
		return ExitPartiallyApplied
	case code != 0:
		return code
	case e.Err != nil:
		return ExitDatabase
	case e.SchemaCompared && len(e.Changes) == 0:
		return ExitFailed
	}
	return ExitPartiallyApplied
}

func toolTitle(e *engine.ToolError) string {
	switch {
	case e.Leftovers.StillActive() && len(e.Leftovers.Prepared) > 0:
		return "a prepared transaction is undecided, so the state of the schema is not known"
	case e.Leftovers.StillActive():
		return "it is still at work in the database, so the state of the schema is not known"
	case !e.SchemaCompared:
		return "whether it has changed the schema is not known"
	case len(e.Changes) == 0:
		return "the schema is as it was"
	}
	return "it has changed the schema"
}

func toolEnd(e *engine.ToolError) string {
	end := fmt.Sprintf("%s after %s", e.ExitText(), e.Exit.Took.Round(100*time.Millisecond))
	switch {
	case e.Exit.Killed:
		end += ": it did not end within its grace (--grace) and was killed"
	case killedByKernel(e):
		end += ": the migrator did not send that, so most likely the kernel did, for lack of memory"
	}
	return end
}

// killedByKernel knows what the kernel does to who takes too much; a shell or npm
// between us tells it as 128 + 9.
func killedByKernel(e *engine.ToolError) bool {
	return e.Exit.StopCause == nil && (e.Exit.Signal == syscall.SIGKILL || e.Exit.Code == ExitSignal+int(syscall.SIGKILL))
}

func toolState(e *engine.ToolError) string {
	var s string
	switch {
	case e.Leftovers.StillActive() && e.SchemaCompared:
		return fmt.Sprintf("%s so far; what remains at work may add to them", Plural(len(e.Changes), "change")+" of the schema")
	case !e.SchemaCompared:
		s = "the schema could not be compared with what it was"
	case len(e.Changes) == 0:
		s = "no table, column, constraint, index, view, function, type or other object is different; rows are not compared"
	default:
		s = fmt.Sprintf("%d changes of the schema, listed above; rows are not compared", len(e.Changes))
	}
	if !e.Leftovers.SessionsKnown && (e.Exit.Killed || e.Exit.Signal == syscall.SIGKILL) {
		s += "; a statement that it had sent may still run in the server (pg_stat_activity)"
	}
	return s
}

// toolAdvice is what to do, in steps: what blocks the tool comes before what it has left,
// and that before the reason. To run a tool again is right only where it has left nothing,
// or records by itself what it has applied.
func toolAdvice(e *engine.ToolError) string {
	var steps []string
	add := func(step string) {
		if step != "" {
			steps = append(steps, step)
		}
	}
	if e.Leftovers.StillActive() {
		add(endSessionsAdvice(e.Leftovers))
	} else if !e.Leftovers.SessionsKnown && (e.Exit.Killed || killedByKernel(e)) {
		add("look in pg_stat_activity whether its statement has ended")
	}
	if !e.SchemaCompared || len(e.Changes) > 0 || e.Leftovers.StillActive() {
		add("look in the tool's own table which of its migrations it counts as applied")
		add("roll back or complete the changes of the schema that belong to none of them")
	}
	for i, m := range e.Marks {
		if i == 0 || m != e.Marks[i-1] {
			add(fmt.Sprintf("resolve the mark in %s: %s", m.Location, m.Resolve))
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

// toolFinalStep is the last step: it deals with why the tool failed. clean says that the tool
// has left nothing that blocks it.
func toolFinalStep(e *engine.ToolError, clean bool) string {
	again := "run it again"
	if clean && e.Err != nil {
		again += "; the tool skips what its own records have as applied"
	}
	var lost *engine.LockLostError
	switch {
	case leftUnfinishedWork(e) && len(e.Leftovers.Sessions) == 0:
		return "let the tool commit or roll back what it prepares, and deploy again"
	case leftUnfinishedWork(e):
		return "let the tool wait for its statements before it ends (in a shell: wait), and deploy again"
	case errors.As(e, &lost):
		return "when the database is back, " + again
	case e.Err != nil && stopCode(e) == ExitTimeout:
		return "raise --timeout if it needs longer (in the chart: timeout, and activeDeadlineSeconds above it), and " + again
	case e.Err != nil:
		return again
	case killedByKernel(e):
		return "give it more memory (in Kubernetes resources.limits.memory) and " + again
	}
	return "correct what the output names and deploy again"
}

func startReport(e *engine.StartError) Report {
	c := Report{Code: ExitUsage, Title: e.Error()}
	c.add("state", "nothing was run")
	if errors.Is(e, syscall.ENOEXEC) {
		c.add("next", "a script needs a first line such as #!/bin/sh, and a program must be built for this machine")
	} else {
		c.add("next", "check the command, and the image that it comes from")
	}
	return c
}

// earlierToolReport explains a run that another one's sessions have kept from starting.
func earlierToolReport(e *engine.EarlierToolError) Report {
	c := Report{Code: ExitLocked, Title: fmt.Sprintf("the tool of an earlier run was at work in the database for all of the %s that we waited (--lock-wait)", e.Waited.Round(time.Millisecond))}
	var lines, ends []string
	for _, s := range e.Sessions {
		lines, ends = append(lines, s.String()), append(ends, fmt.Sprintf("SELECT pg_terminate_backend(%d);", s.PID))
	}
	c.add("sessions", limitedLines(lines))
	c.add("state", "nothing was run here")
	c.add("next", "wait until these sessions have ended, or end them, and run it again: "+strings.Join(ends[:min(len(ends), maxSessions)], " "))
	return c
}
