// Package check checks migration files without a database: their names, versions and directives,
// what has changed since a base commit, and what their statements do to a running application.
//
// Run returns the findings of the rules in package finding. It reads the files, compares them with
// those of the base (package gitbase), and applies the settings of .shiplock.yaml and the
// -- shiplock:allow comments. Renumber renames migrations whose versions collide with the base.
// Package cli calls both; package output prints the findings.
package check
