// Package script splits the SQL of a migration file into statements and determines how the file
// runs: in one transaction, statement by statement, or with transactions of its own. It does not
// connect to a database.
//
// LoadFile returns a Script, whose Statements are classified by PostgreSQL's parser. A large file
// is a stream: it is read again each time it runs. A Batch is what is sent in one round trip; a
// BatchReader reads those of a script that runs in one transaction. A TxBlock is the statements of
// one query of any other script. Package executor runs scripts, and batch sends their batches;
// packages lint, resume and diagnose read their statements.
package script
