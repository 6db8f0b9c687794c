// Structure checks the structure of the module: which package may import which, circles between the files of a package, the size
// of packages, and package comments. The rules are in rules.go. Run it in the repository's root:
//
//	go run ./hack/structure            prints each violation, and exits with 1 if there is one
//	go run ./hack/structure -report    prints lines, imports, and circles of each package
//	go run ./hack/structure -write     writes the graph of the packages into the design page
//
// It reads the packages with type information, from the build cache where they are compiled already.
package main

import (
	"flag"
	"fmt"
	"os"
)

func main() {
	report := flag.Bool("report", false, "print lines, imports, and circles of each package")
	write := flag.Bool("write", false, "write the graph of the packages into the design page")
	flag.Parse()
	code, err := run(*report, *write)
	if err != nil {
		fmt.Fprintln(os.Stderr, "structure:", err)
		os.Exit(2)
	}
	os.Exit(code)
}

func run(report, write bool) (code int, err error) {
	module, err := Load(".")
	if err != nil {
		return 0, err
	}
	switch {
	case report:
		PrintReport(os.Stdout, module, rules)
		return 0, nil
	case write:
		return 0, WriteGraph(designPage, module, rules)
	}
	violations := Check(module, rules)
	stale, err := StaleGraph(designPage, module, rules)
	if err != nil {
		return 0, err
	}
	violations = append(violations, stale...)
	for _, violation := range violations {
		fmt.Println(violation)
	}
	return min(len(violations), 1), nil
}
