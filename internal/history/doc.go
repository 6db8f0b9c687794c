// Package history is the version table and the history table of a database. The version table is
// golang-migrate's schema_migrations, and holds a [State]. The history table,
// schema_migrations_history, has one row for each run of a migration, an [Entry], with the SQL that ran.
//
// A [Store] is both tables and the session that reads and writes them. [Open] connects and reads the
// definitions of the tables in the session's first query; a table that is not Shiplock's or
// golang-migrate's, or is in another schema, is a [TableError]. Methods whose names end in SQL return
// SQL for the transaction of a migration, so that the migration, its version and its row are committed
// together. The others write at once; a failure is a [RecordingError].
//
// Package executor records migrations with it, resume and dataloss read what ran, migrator plans from
// [Store.State] and [Store.LatestEntries], and lock derives the key of the lock from the table's name.
package history
