// Package faultinjection is a fault-injection test of migration tools. Each round generates a
// random set of migrations, starts the tool, injects a fault at a random moment, runs the
// tool again, and checks that each migration was applied exactly once. The tools are the
// migrator's binary, golang-migrate and goose, on a real PostgreSQL server:
//
//	go test ./internal/test/faultinjection -rounds 1000 -tools shiplock,golang-migrate,goose
//
// A second test injects faults into rollbacks, by down and by up, whose directory has no
// files of the migrations that are rolled back; -rollbacks sets their number.
//
// The package has only tests. `make chaos` runs 1,000 rounds and 300 rollbacks.
package faultinjection
