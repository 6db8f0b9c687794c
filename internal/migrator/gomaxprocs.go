package migrator

import "runtime"

// limitToOneCPU lets Go use one CPU while statements run, if the process is dedicated to
// the run. Statements run one after the other, so a second CPU would only be woken up for
// nothing, many times in each migration: a sixth of the CPU time (see ADR 24).
func limitToOneCPU(dedicated bool) (restore func()) {
	if !dedicated {
		return func() {}
	}
	before := runtime.GOMAXPROCS(1)
	return func() { runtime.GOMAXPROCS(before) }
}
