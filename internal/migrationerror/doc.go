// Package migrationerror is the failure of a migration: the failed statement and its position in
// the file, the state in which the failure left the database, the blocking sessions, and the reason
// that was found on the server.
//
// An Error is returned by package executor, completed by package diagnose, and read by migrator,
// report and notifications. Its Outcome decides the exit code, and its Reason has the causes that
// code depends on.
package migrationerror
