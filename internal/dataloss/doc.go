// Package dataloss counts the rows that a rollback would delete, so that a rollback that deletes
// data fails unless it is allowed to.
//
// A Counter counts twice: Find before anything runs, and a Guard, as SQL in the transaction of the
// rollback, while it runs. A Loss is data that would be deleted. Package migrator calls Find before a
// rollback, and package executor sends the SQL of the guard. Package lint finds the statements.
package dataloss
