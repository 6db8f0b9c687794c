package advice

import "github.com/shiplock/shiplock/internal/status"

// Wait returns the next step after a wait that timed out or was stopped.
func Wait(e *status.WaitError) string {
	switch {
	case e.Unreachable != nil:
		return Connection(e.Unreachable, "--timeout")
	case e.Unreadable:
		return "grant this role SELECT on the version table and USAGE on its schema"
	case e.Unresponsive:
		return "list the sessions that lock it: SELECT pid, application_name, query FROM pg_stat_activity WHERE pid IN (SELECT pid FROM pg_locks WHERE mode = 'AccessExclusiveLock');\nthen run it again; raise --timeout for a slow server"
	}
	return "check why the migrations have not run: see the output of the migrator that should run them (in Kubernetes, its Job) and migrator status; then run it again"
}
