// Package diagnose finds out why a migration failed, from the database and from the migration files:
// the rows that violate a constraint, the missing privilege, the migration that created an object,
// or the setting behind a timeout.
//
// Explain adds the result to an *migrationerror.Error as its Reason. It changes nothing in the
// database, and its queries have a time limit. Package migrator calls it after a failed run.
package diagnose
