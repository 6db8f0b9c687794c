// Reference writes docs/reference/command-line.md from the commands, docs/reference/values.md from chart/values.yaml, and
// docs/reference/checks from the rules of migrator check.
//
//	go run ./hack/reference            writes all of them
//	go run ./hack/reference -check     exits with 1 if one is stale
//
// It runs in the repository's root.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/shiplock/shiplock/hack/schema"
	"github.com/shiplock/shiplock/internal/check/finding"
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
	pages := []Page{
		{"docs/reference/command-line.md", CommandLine(cli.NewCommand(), cli.ExitCodes())},
		{"docs/reference/values.md", ChartValues(values)},
	}
	for _, page := range Checks(finding.Rules) {
		pages = append(pages, Page{filepath.Join(checks, page.file), page.text})
	}
	unknown, err := unknownPages(pages)
	if err != nil {
		return false, err
	}
	for _, file := range unknown {
		fmt.Printf("%s is the page of no rule: remove it\n", file)
		stale = true
	}
	for _, page := range pages {
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

// checks is the directory of the pages of migrator check's rules.
const checks = "docs/reference/checks"

// unknownPages returns the files in the directory of the rules' pages that are none of them.
func unknownPages(pages []Page) ([]string, error) {
	if err := os.MkdirAll(checks, 0o755); err != nil {
		return nil, err
	}
	files, err := filepath.Glob(filepath.Join(checks, "*"))
	return slices.DeleteFunc(files, func(file string) bool {
		return slices.ContainsFunc(pages, func(p Page) bool { return p.file == file })
	}), err
}
