// Package lint finds what a migration file does to data and to a running application, from its SQL
// alone: statements that remove data, and changes that break an older version of the application.
//
// StatementChangesOf returns the data that one statement removes. DestructiveChanges collects it
// for several files and follows the names of objects through their statements, with Relations for
// the names in the database. IncompatibleChanges checks the up steps of a plan. Package dataloss
// counts the affected rows; package engine warns of incompatible changes.
package lint
