// Package postgres runs migrations on one PostgreSQL database. It connects and waits for the
// database, takes golang-migrate's advisory lock, applies each migration with its version and its
// history row in one transaction, and explains why a migration failed.
//
// # Sessions
//
// [Open] returns a [DB], one session on one database, which every other operation belongs to. A DB
// waits for a server that is starting ([ConnectError]), assumes [Options].Role, detects connection
// poolers in transaction mode, and takes the lock ([DB.Lock], [LockedError]). Behind such a pooler
// the lock belongs to a transaction and not to the session ([DB.ReleaseTxLock],
// [DB.ReacquireTxLock]).
//
// # Scripts
//
// A [Script] is the SQL of one migration file, split into [Statement] values by PostgreSQL's own
// parser. A transactional script runs in one transaction. A script with a statement that refuses a
// transaction, such as CREATE INDEX CONCURRENTLY, runs one transaction block after the other, and
// the history counts the applied statements, so that a later run resumes after them. Files too big
// for memory are sent in batches.
//
// # Applying migrations
//
// A [Driver] is a DB as golang-migrate's database driver: package migrator gives it the planned
// [Step] values and lets migrate.Migrate drive it. A lock timeout rolls the migration back and
// retries it. A failure is a [MigrationError] with its [Outcome], the failed statement, its
// position in the file, the blocking sessions and a [Reason].
//
// # Tables
//
// The version table is golang-migrate's schema_migrations, a [State]. The history table,
// schema_migrations_history, has one row for each [Run], with the SQL that ran. External tools that
// run under migrator exec have a history table of their own ([ToolRun]).
//
// # Analysis
//
// [IncompatibleChanges] lists the changes that break an older version of the application,
// [DB.DataLosses] counts the rows that a rollback would delete, and a [Fingerprint] is a snapshot
// of the schema for comparison. None of them changes the database.
//
// # Callers
//
// Package migrator calls Open and everything after it, one use case for each command. Packages report
// and cli only read the types of the results and errors.
package postgres
