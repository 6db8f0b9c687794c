// Package chaos strikes migrators down at random moments of random migrations,
// and asks an oracle whether each migration has happened exactly once when they
// are simply run again. It strikes the real binary on a real PostgreSQL, and the
// command lines of golang-migrate and goose beside it:
//
//	go test ./internal/chaos -rounds 1000 -tools shiplock,golang-migrate,goose
//
// A second test strikes rollbacks, by down and by up, with a folder that has no file
// of what is undone: -rollbacks says how often.
//
// All of it is in tests; `make chaos` runs a thousand rounds, and 300 rollbacks.
package chaos
