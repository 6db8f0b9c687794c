package report

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"time"

	"github.com/shiplock/shiplock/internal/engine"
)

const (
	maxToolTitle = 80 // of the command in the title; a row has all of it
	maxCommand   = 600
	maxChanges   = 8 // lines
)

// toolCard explains a tool that failed or was ended. Its exit code is that of a
// migration: whether the schema is as it was decides between 6 and 7.
func toolCard(e *engine.ToolError) Card {
	c := Card{Code: toolCode(e)}
	what := fmt.Sprintf("failed (%s)", e.Ended())
	if e.Exit.Asked != nil {
		what = fmt.Sprintf("was ended (%v)", e.Err)
	} else if e.Err != nil {
		what += fmt.Sprintf(" as %v", e.Err)
	}
	c.Title = fmt.Sprintf("%s %s; %s", Clip(e.Line, maxToolTitle), what, toolTitle(e))
	c.addFolded("command", Clip(e.Line, maxCommand))
	c.add("ended", toolEnd(e))
	if len(e.Exit.Last) > 0 {
		c.addFolded("output", strings.Join(e.Exit.Last, "\n"))
	}
	if n := len(e.Changes) - maxChanges; n > 0 {
		c.addVerbatim("schema", strings.Join(e.Changes[:maxChanges], "\n")+fmt.Sprintf("\nand %d more", n))
	} else if len(e.Changes) > 0 {
		c.addVerbatim("schema", strings.Join(e.Changes, "\n"))
	}
	c.add("state", toolState(e))
	c.add("next", toolAdvice(e))
	return c
}

func toolCode(e *engine.ToolError) int {
	code := stopCode(e)
	switch {
	case code != 0:
		return code
	case e.Err != nil:
		return ExitDatabase
	case e.Known && len(e.Changes) == 0:
		return ExitFailed
	}
	return ExitPartWay
}

func toolTitle(e *engine.ToolError) string {
	switch {
	case !e.Known:
		return "whether it has changed the schema is not known"
	case len(e.Changes) == 0:
		return "the schema is as it was"
	}
	return "it has changed the schema"
}

func toolEnd(e *engine.ToolError) string {
	end := fmt.Sprintf("%s after %s", e.Ended(), e.Exit.Took.Round(100*time.Millisecond))
	switch {
	case e.Exit.Killed:
		end += ": it did not end within its grace (--grace) and was killed"
	case outOfMemory(e):
		end += ": the migrator did not send that, so most likely the kernel did, for lack of memory"
	}
	return end
}

// outOfMemory knows what the kernel does to who takes too much; a shell or npm
// between us tells it as 128 + 9.
func outOfMemory(e *engine.ToolError) bool {
	return e.Exit.Asked == nil && (e.Exit.Signal == syscall.SIGKILL || e.Exit.Code == ExitSignal+int(syscall.SIGKILL))
}

func toolState(e *engine.ToolError) string {
	var s string
	switch {
	case !e.Known:
		s = "the schema could not be compared with what it was"
	case len(e.Changes) == 0:
		s = "no table, column, constraint, index, view, function, type or other object is different; rows are not compared"
	default:
		s = fmt.Sprintf("%d changes of the schema, listed above; rows are not compared", len(e.Changes))
	}
	if e.Exit.Killed || e.Exit.Signal == syscall.SIGKILL {
		s += "; a statement that it had sent may still run in the server (pg_stat_activity)"
	}
	return s
}

func toolAdvice(e *engine.ToolError) string {
	var lost *engine.LockLostError
	switch {
	case errors.As(e, &lost):
		return "run it again when the database is back; the tool goes on by its own records of what it has applied"
	case e.Err != nil:
		again := "run it again; the tool goes on by its own records of what it has applied"
		if stopCode(e) == ExitTimeout {
			again = "raise --timeout if it needs longer (in the chart: timeout, and activeDeadlineSeconds above it), and " + again
		}
		if e.Exit.Killed {
			again = "look in pg_stat_activity whether its statement has ended; then " + again
		}
		return again
	case outOfMemory(e):
		return "look in pg_stat_activity whether its statement has ended; then give it more memory (in Kubernetes resources.limits.memory) and run it again"
	case e.Known && len(e.Changes) == 0:
		return "correct what the output names and deploy again"
	}
	return "1. look in the tool's own table which of its migrations it counts as applied\n2. undo or finish by hand those of the changes above that belong to none of them\n3. correct what the output names, and deploy again"
}

func startCard(e *engine.StartError) Card {
	c := Card{Code: ExitUsage, Title: e.Error()}
	c.add("state", "nothing was run")
	if errors.Is(e, syscall.ENOEXEC) {
		c.add("next", "a script needs a first line such as #!/bin/sh, and a program must be built for this machine")
	} else {
		c.add("next", "check the command, and the image that it comes from")
	}
	return c
}
