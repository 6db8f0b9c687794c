package main

import (
	"fmt"
	"maps"
	"slices"
)

const rulesFile = "hack/structure/rules.go"

// checkOrder checks that the list of packages is complete.
func checkOrder(module *Module, rules Rules) []Violation {
	var out []Violation
	var exist []string
	for _, pkg := range module.Packages {
		exist = append(exist, pkg.Path)
		if !rules.isSupport(pkg.Path) && !slices.Contains(rules.Order, pkg.Path) {
			out = append(out, Violation{File: pkg.Files[0].Name, Problem: "package " + pkg.Path + " is missing in the order of packages",
				Fix: "Add it to Order in " + rulesFile + ", above all that import it and below all that it imports"})
		}
	}
	for _, path := range rules.Order {
		if !slices.Contains(exist, path) {
			out = append(out, Violation{File: rulesFile, Problem: "package " + path + " does not exist", Fix: "Remove it from Order"})
		}
	}
	return out
}

// checkImports checks the import declarations of a package.
func checkImports(pkg *Package, rules Rules) []Violation {
	var out []Violation
	own := slices.Index(rules.Order, pkg.Path)
	for _, imported := range pkg.Imports {
		add := func(problem, fix string) {
			out = append(out, Violation{File: imported.File, Line: imported.Line, Problem: problem, Fix: fix})
		}
		for library, owners := range rules.Only {
			if !imported.Local && isWithin(imported.Path, library) && !slices.Contains(owners, pkg.Path) && !rules.isSupport(pkg.Path) {
				add(fmt.Sprintf("%s imports %s", pkg.Path, imported.Path), fmt.Sprintf("Use %s, the only package that may import it", owners[0]))
			}
		}
		if !imported.Local || own < 0 {
			continue
		}
		other := slices.Index(rules.Order, imported.Path)
		switch {
		case rules.isSupport(imported.Path):
			add(fmt.Sprintf("%s imports %s, which is for tests and developers", pkg.Path, imported.Path), "Move what it needs into a package of the product")
		case other >= own:
			add(fmt.Sprintf("%s imports %s, which is above it in the order of packages", pkg.Path, imported.Path),
				"Move the declaration down, pass it as a parameter, or declare an interface in "+pkg.Path)
		}
	}
	return out
}

// checkLinked checks what a program links, and names the import of this module that leads to it.
func checkLinked(module *Module, program *Package, rules Rules) []Violation {
	var out []Violation
	reported := map[[2]string]bool{}
	for _, linked := range slices.Sorted(maps.Keys(program.Linked)) {
		for banned, name := range rules.Banned {
			if !isWithin(linked, banned) {
				continue
			}
			library, importer := linked, program.Linked[linked]
			for !isWithin(importer, module.Path) {
				library, importer = importer, program.Linked[importer]
			}
			importer = relative(importer, module.Path)
			key := [2]string{banned, importer}
			if reported[key] {
				continue
			}
			reported[key] = true
			violation := Violation{File: importer, Problem: fmt.Sprintf("%s links %s (%s) through %s", program.Path, linked, name, library),
				Fix: "Remove the import: no program of the product links " + name}
			if file, line, ok := module.importOf(importer, library); ok {
				violation.File, violation.Line = file, line
			}
			out = append(out, violation)
		}
	}
	return out
}
