// Package bench compares the migrator with other migration tools: the programs run the same
// migrations on one server. `make bench` runs it and writes docs/benchmarks. A plain `go test` runs
// each figure with small numbers, as a test.
package bench
