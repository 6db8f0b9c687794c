// Package golangmigrate is Shiplock as golang-migrate sees it: a [Driver] is golang-migrate's
// database.Driver on a history.Store, and a [Source] its source.Driver on a directory of files.
//
// No command runs through it. Its tests pass golang-migrate's conformance tests for both interfaces,
// and compare file names, the version table and the key of the lock with golang-migrate's own, so that
// a database can change from one to the other and back. No other product package imports it. See
// ADR 21.
package golangmigrate
