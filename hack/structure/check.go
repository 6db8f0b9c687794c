package main

import (
	"cmp"
	"slices"
)

// Check returns the violations of all rules, sorted by file and line.
func Check(module *Module, rules Rules) []Violation {
	var out []Violation
	out = append(out, checkOrder(module, rules)...)
	for _, pkg := range module.Packages {
		out = append(out, checkImports(pkg, rules)...)
		out = append(out, checkLinked(module, pkg, rules)...)
		out = append(out, checkCircles(pkg, rules)...)
		out = append(out, checkComment(pkg, rules)...)
	}
	out = append(out, checkLines(module, rules)...)
	slices.SortStableFunc(out, func(a, b Violation) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line))
	})
	return out
}
