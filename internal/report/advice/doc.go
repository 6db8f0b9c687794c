// Package advice has the next step after an error of PostgreSQL, its driver or a connection pooler:
// what to grant, correct or raise.
//
// [Statement] returns the [Advice] for a failed statement of a migration, from a table with one
// function for each SQLSTATE. [Connection] returns the one for a failed connection. Package failure
// calls both and adds what follows: a new deployment, or how a partially applied migration resumes.
package advice
