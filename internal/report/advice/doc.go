// Package advice has the next step after an error of PostgreSQL, its driver or a connection pooler,
// and after a refusal: what to grant, correct or raise.
//
// [Statement] returns the [Advice] for a failed statement of a migration, from a table with one
// function for each SQLSTATE. [Refusal], [Repair], [Rehearsal] and [EmptyTable] explain a refusal; [Connection] and [LostConnection] return the ones for a failed and a lost
// connection, [Table] the one for a version table that cannot be used. Package failure calls them and
// adds what follows: a new deployment, or how a partially applied migration resumes.
package advice
