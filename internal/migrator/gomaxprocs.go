package migrator

import (
	"context"
	"runtime"
)

type dedicatedProcessKey struct{}

// WithDedicatedProcess returns a context for a run that has the process for itself and may
// change process-wide settings. A test does not.
func WithDedicatedProcess(ctx context.Context) context.Context {
	return context.WithValue(ctx, dedicatedProcessKey{}, true)
}

// limitToOneCPU lets Go use one CPU while statements run, if the process is dedicated to
// the run. Statements run one after the other, so a second CPU would only be woken up for
// nothing, many times in each migration: a fifth of the CPU time of a small one.
func limitToOneCPU(ctx context.Context) (restore func()) {
	if ctx.Value(dedicatedProcessKey{}) == nil {
		return func() {}
	}
	before := runtime.GOMAXPROCS(1)
	return func() { runtime.GOMAXPROCS(before) }
}
