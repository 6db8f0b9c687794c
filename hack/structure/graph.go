package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

const (
	designPage = "docs/background/design.md"
	graphStart = "<!-- packages: make generate writes the graph -->\n"
	graphEnd   = "<!-- end of packages -->"
)

// Graph returns the product's packages as a Mermaid graph. An arrow that follows from others is left out.
func Graph(module *Module, rules Rules) string {
	imports := map[string][]string{}
	for _, pkg := range module.Packages {
		if rules.isSupport(pkg.Path) {
			continue
		}
		for _, imported := range localImports(pkg) {
			if !rules.isSupport(imported) {
				imports[pkg.Path] = append(imports[pkg.Path], imported)
			}
		}
	}
	var reaches func(from, to string) bool
	reaches = func(from, to string) bool {
		return slices.ContainsFunc(imports[from], func(next string) bool { return next == to || reaches(next, to) })
	}
	var out strings.Builder
	out.WriteString("```mermaid\nflowchart TD\n")
	for _, from := range slices.Backward(rules.Order) {
		for _, to := range slices.Backward(rules.Order) {
			direct := slices.Contains(imports[from], to)
			implied := slices.ContainsFunc(imports[from], func(next string) bool { return next != to && reaches(next, to) })
			if direct && !implied {
				fmt.Fprintf(&out, "  %s --> %s\n", node(from), node(to))
			}
		}
	}
	out.WriteString("```\n")
	return out.String()
}

// node returns Mermaid's name of a package; a name with a slash is a label.
func node(path string) string {
	name := strings.TrimPrefix(path, "internal/")
	if id := strings.ReplaceAll(name, "/", "_"); id != name {
		return fmt.Sprintf("%s[%s]", id, name)
	}
	return name
}

// WriteGraph writes the graph into a page, between its two marks.
func WriteGraph(page string, module *Module, rules Rules) error {
	_, wanted, err := pages(page, module, rules)
	if err != nil {
		return err
	}
	return os.WriteFile(page, []byte(wanted), 0o644)
}

// StaleGraph reports a page whose graph differs from the packages.
func StaleGraph(page string, module *Module, rules Rules) ([]Violation, error) {
	current, wanted, err := pages(page, module, rules)
	if err != nil || current == wanted {
		return nil, err
	}
	return []Violation{{File: page, Problem: "the graph of the packages is stale", Fix: "Run make generate"}}, nil
}

func pages(page string, module *Module, rules Rules) (current, wanted string, err error) {
	content, err := os.ReadFile(page)
	if err != nil {
		return "", "", err
	}
	before, rest, found := strings.Cut(string(content), graphStart)
	_, after, ended := strings.Cut(rest, graphEnd)
	if !found || !ended {
		return "", "", fmt.Errorf("%s has no marks %s and %s", page, strings.TrimSpace(graphStart), graphEnd)
	}
	return string(content), before + graphStart + "\n" + Graph(module, rules) + "\n" + graphEnd + after, nil
}
