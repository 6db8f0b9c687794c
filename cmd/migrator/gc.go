package main

import (
	"os"
	"runtime"
	"runtime/debug"
)

// firstGCPercent is the GC percentage until the first collection, which then starts at four
// times the minimum heap of 4 MB. A run with no pending migrations allocates less than that,
// and a collection would take a tenth of its time.
const firstGCPercent = 400

// delayFirstCollection delays the first garbage collection. Later collections use the default
// percentage. If the user has set GOGC, it does nothing.
func delayFirstCollection() {
	if os.Getenv("GOGC") != "" {
		return
	}
	debug.SetGCPercent(firstGCPercent)
	type sentinel struct{ _ *byte } // unreachable, so the first collection runs its cleanup
	runtime.AddCleanup(&sentinel{}, func(percent int) { debug.SetGCPercent(percent) }, 100)
}
