package advice

import (
	"fmt"

	"github.com/shiplock/shiplock/internal/exectool"
	"github.com/shiplock/shiplock/internal/toolrun"
)

// ToolState returns how to resolve a migration that an external tool has marked as unfinished.
func ToolState(p toolrun.ToolProblem) string {
	resolve := p.Resolve
	if p.IsLock() {
		resolve += ", or run migrator exec with --on-stale-lock release"
	}
	if p.Own {
		resolve = "run migrator status to list the applied migrations, then migrator repair"
	}
	return fmt.Sprintf("resolve the tool state in %s: %s", p.Location, resolve)
}

// StaleLock returns the title of the report of a lock that an earlier run of a tool has left, and how to
// release it.
func StaleLock(e *exectool.StaleLockError) (title, next string) {
	l := e.Locks[0]
	switch {
	case e.Err != nil:
		return fmt.Sprintf("could not release the lock of %s in %s: %v", l.Tool, l.Location, e.Err), "grant the role UPDATE on this table, or " + l.Resolve
	case len(e.Sessions) > 0:
		return fmt.Sprintf("%s is locked, and may be in use: the last run by exec succeeded, and other sessions are connected", l.Location),
			fmt.Sprintf("if one of these sessions belongs to a run of %s, wait for it; otherwise %s", l.Tool, l.Resolve)
	}
	return fmt.Sprintf("%s is locked by an earlier run of %s", l.Location, l.Tool),
		l.Resolve + ", or run migrator exec with --on-stale-lock release (in the chart: tool.onStaleLock: release)"
}
