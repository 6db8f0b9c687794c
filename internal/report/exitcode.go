package report

// Exit codes of the migrator. The chart's podFailurePolicy is written against them.
const (
	ExitOK               = 0
	ExitInternal         = 1   // an error that nobody foresaw
	ExitUsage            = 2   // usage or configuration; a retry does not help
	ExitDatabase         = 3   // database not reachable in the time given, or lost; a retry may help
	ExitLocked           = 4   // another migrator held the lock for the whole time given; a retry may help
	ExitRefused          = 5   // files and database disagree
	ExitFailed           = 6   // a migration failed; the schema is as it was before it
	ExitPartiallyApplied = 7   // a migration failed part-way
	ExitTimeout          = 124 // out of time
	ExitSignal           = 128 // plus the number of the signal
)
