// Package lint finds the statements of a migration file that remove data, from its SQL alone.
//
// StatementChangesOf returns the data that one statement removes. NewDestructiveChanges collects it
// for several files and follows the names of objects through their statements, with Relations for
// the names in the database. A Step is a planned migration. Package dataloss counts the affected
// rows, and package executor runs the steps.
package lint
