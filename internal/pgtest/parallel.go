package pgtest

import (
	"flag"
	"strconv"
)

// Parallel lets so many parallel tests run at once, unless -parallel says how many: for tests that wait more than they
// work, whose number need not be that of the cores. Call it from TestMain.
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
