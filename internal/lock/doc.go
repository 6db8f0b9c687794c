// Package lock is the migration lock: one advisory lock for a database, schema and version table, with
// the key of golang-migrate's command line, so that the two exclude each other.
//
// [Acquire] polls until it has the lock and returns a [Locker], of which there are two. A lock of the
// session is taken once. Behind a connection pooler in transaction mode, a session has no server
// session of its own; there, each transaction takes the lock and checks that the version is still the
// planned one. A caller does not need to know which one it has: it opens every transaction with
// [Locker.Begin], and calls [Locker.Release] and [Locker.Reacquire] around work without the lock.
//
// Errors are [ErrNotNeeded], [LockedError], [ErrVersionChanged], [ErrStatementPooling] and [ErrLost].
// [HolderFacts] describes the session that holds the lock.
//
// Package migrator acquires the lock for a command, executor passes the Locker's SQL to the server, and
// toolrun holds the lock while an external tool runs.
package lock
