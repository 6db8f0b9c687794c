package main

import (
	"os"
	"runtime"
	"runtime/debug"
)

// firstCollection is at which percentage of the smallest heap, 4 MB, garbage is first
// collected. A run that finds nothing to do has ended before it has made that much,
// and a collection would take a tenth of its time.
const firstCollection = 400

// collectLate puts off the first collection; those after it are as ever. It leaves a
// GOGC of the user's alone.
func collectLate() {
	if os.Getenv("GOGC") != "" {
		return
	}
	debug.SetGCPercent(firstCollection)
	type mark struct{ _ *byte }
	runtime.AddCleanup(&mark{}, func(percent int) { debug.SetGCPercent(percent) }, 100)
}
