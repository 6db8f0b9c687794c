package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// PrintReport prints lines, imports, and circles of each package.
func PrintReport(w io.Writer, module *Module, rules Rules) {
	total, circles, files := productLines(module, rules), 0, 0
	for _, pkg := range module.Packages {
		kind := ""
		if rules.isSupport(pkg.Path) {
			kind = " (not product)"
		}
		fmt.Fprintf(w, "%s%s\n  %d lines in %d files\n", pkg.Path, kind, pkg.Lines(), len(pkg.Files))
		if imports := localImports(pkg); len(imports) > 0 {
			fmt.Fprintf(w, "  imports %s\n", strings.Join(imports, ", "))
		}
		for _, circle := range Circles(pkg) {
			circles++
			files += len(circle.Files)
			fmt.Fprintf(w, "  circle of %d files; best order, lowest first: %s\n", len(circle.Files), baseNames(circle.Files))
			for _, edge := range circle.Edges {
				fmt.Fprintf(w, "    against it: %s\n", edge)
			}
		}
	}
	fmt.Fprintf(w, "%d lines of product in %d packages; %d files in %d circles\n", total, len(rules.Order), files, circles)
}

// localImports returns the packages of the module that a package imports, sorted.
func localImports(pkg *Package) []string {
	var paths []string
	for _, imported := range pkg.Imports {
		if imported.Local {
			paths = append(paths, imported.Path)
		}
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}
