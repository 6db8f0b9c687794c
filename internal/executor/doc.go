// Package executor runs migrations in a session that holds the migration lock, and records their
// outcome in the version and history tables.
//
// An Executor runs the steps of a plan with Run, or one Migration with Apply. A script that can run
// in one transaction is sent in two round trips, with the version and the history row in the same
// transaction. Any other script runs in blocks, and the history row counts its statements, so that
// a retry resumes after the last one. Lock timeouts are retried. A failure is a *migrationerror.Error,
// whose Outcome is the state in which it left the database. Package migrator calls Run, and package
// golangmigrate calls Apply.
package executor
