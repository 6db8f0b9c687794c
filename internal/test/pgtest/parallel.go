package pgtest

import (
	"flag"
	"strconv"
)

// Parallel sets the number of parallel tests, unless the flag -parallel does: for tests that mostly wait, whose number may
// exceed that of the cores. Call it from TestMain.
func Parallel(tests int) {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		if err := flag.Set("test.parallel", strconv.Itoa(tests)); err != nil {
			panic(err)
		}
	}
}
