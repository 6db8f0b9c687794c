package main

import (
	"os"
	"runtime"
	"runtime/debug"
)

// firstGCPercent is at which percentage of the smallest heap, 4 MB, garbage is first
// collected. A run that finds nothing to do has ended before it has made that much,
// and a collection would take a tenth of its time.
const firstGCPercent = 400

// delayFirstCollection puts off the first collection; those after it are as ever. It leaves a
// GOGC of the user's alone.
func delayFirstCollection() {
	if os.Getenv("GOGC") != "" {
		return
	}
	debug.SetGCPercent(firstGCPercent)
	type mark struct{ _ *byte }
	runtime.AddCleanup(&mark{}, func(percent int) { debug.SetGCPercent(percent) }, 100)
}
