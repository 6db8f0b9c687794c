package engine

import (
	"context"
	"runtime"
)

type ownProcess struct{}

// WithDedicatedProcess says of a run that it has the process for itself, and may set what is
// the process's. In a test it has not.
func WithDedicatedProcess(ctx context.Context) context.Context {
	return context.WithValue(ctx, ownProcess{}, true)
}

// limitToOneCPU lets Go use one processor for as long as statements run, where the process
// is the run's own. One comes after the other, so a second processor would only be
// woken up for nothing, many times a migration: a fifth of what a small one costs us.
func limitToOneCPU(ctx context.Context) (restore func()) {
	if ctx.Value(ownProcess{}) == nil {
		return func() {}
	}
	before := runtime.GOMAXPROCS(1)
	return func() { runtime.GOMAXPROCS(before) }
}
