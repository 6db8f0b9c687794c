// Reference writes docs/reference/command-line.md from the commands and docs/reference/values.md from chart/values.yaml.
//
//	go run ./hack/reference            writes both
//	go run ./hack/reference -check     exits with 1 if one is stale
//
// It runs in the repository's root.
package main

import (
	"flag"
	"fmt"
	"os"

	"github.com/shiplock/shiplock/hack/schema"
	"github.com/shiplock/shiplock/internal/cli"
)

func main() {
	check := flag.Bool("check", false, "compare the pages with the files and write nothing")
	flag.Parse()
	stale, err := run(*check)
	if err != nil {
		fmt.Fprintln(os.Stderr, "reference:", err)
		os.Exit(1)
	}
	if stale {
		os.Exit(1)
	}
}

func run(check bool) (stale bool, err error) {
	text, err := os.ReadFile("chart/values.yaml")
	if err != nil {
		return false, err
	}
	values, err := schema.Values(text)
	if err != nil {
		return false, err
	}
	for _, page := range []struct{ file, text string }{
		{"docs/reference/command-line.md", CommandLine(cli.NewCommand(), cli.ExitCodes())},
		{"docs/reference/values.md", ChartValues(values)},
	} {
		if !check {
			if err := os.WriteFile(page.file, []byte(page.text), 0o644); err != nil {
				return false, err
			}
			continue
		}
		current, err := os.ReadFile(page.file)
		if err != nil && !os.IsNotExist(err) {
			return false, err
		}
		if string(current) != page.text {
			fmt.Printf("%s is stale: make generate writes it\n", page.file)
			stale = true
		}
	}
	return stale, nil
}
