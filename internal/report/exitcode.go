package report

// Exit codes of the migrator. The chart's podFailurePolicy depends on them.
const (
	ExitOK               = 0
	ExitInternal         = 1   // unexpected error
	ExitUsage            = 2   // usage or configuration error; a retry does not help
	ExitDatabase         = 3   // database unreachable, or connection lost; a retry may help
	ExitLocked           = 4   // timed out waiting for another migrator's lock; a retry may help
	ExitRefused          = 5   // migration files conflict with the database
	ExitFailed           = 6   // a migration failed and was rolled back
	ExitPartiallyApplied = 7   // a migration is partially applied
	ExitTimeout          = 124 // timed out
	ExitSignal           = 128 // plus the number of the signal
)
