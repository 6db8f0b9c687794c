// Package bench compares the migrator with its peers, side by side: real programs,
// the same migrations, one server. `make bench` runs it and writes docs/benchmarks;
// a plain `go test` runs every figure with tiny numbers, to see that it still works.
package bench
