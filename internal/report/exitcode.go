package report

// Exit codes of the migrator. CONTRIBUTING.md, "Add an exit code", lists the places that a new one
// belongs to.
const (
	ExitOK               = 0
	ExitInternal         = 1   // unexpected error
	ExitUsage            = 2   // usage or configuration error; a retry does not help
	ExitDatabase         = 3   // database unreachable, or connection lost; a retry may help
	ExitLocked           = 4   // timed out waiting for another migrator's lock; a retry may help
	ExitRefused          = 5   // migration files conflict with the database, or a check found a problem
	ExitFailed           = 6   // a migration failed and was rolled back
	ExitPartiallyApplied = 7   // a migration is partially applied
	ExitTimeout          = 124 // timed out
	ExitSignal           = 128 // plus the number of the signal
)

// An ExitCode describes an exit code, or a range of them, in the help.
type ExitCode struct{ Code, Meaning string }

// ExitCodes describes the exit codes above.
var ExitCodes = []ExitCode{
	{"0", "schema is up to date (also: nothing to do)"},
	{"1", "internal error"},
	{"2", "usage or configuration error"},
	{"3", "database not reachable in time, or connection lost (a retry may help)"},
	{"4", "timed out waiting for another migrator's lock (a retry may help)"},
	{"5", "refused: migration files conflict with the database, or a check found a problem"},
	{"6", "a migration failed and was rolled back"},
	{"7", "a migration was partially applied; the report lists what was applied and what remains"},
	{"124", "timed out (--timeout)"},
	{"128+n", "stopped by signal n (a retry may help)"},
}

// IsRetried reports whether the chart's Job retries after a run with an exit code, up to its
// backoffLimit. podFailurePolicy in chart/templates/_job.tpl fails the Job at once for the other
// codes.
func IsRetried(code int) bool {
	switch code {
	case ExitInternal, ExitDatabase, ExitLocked:
		return true
	}
	return code > ExitSignal
}
