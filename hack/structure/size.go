package main

import (
	"fmt"
	"regexp"
)

// productLines returns the lines of the product.
func productLines(module *Module, rules Rules) int {
	total := 0
	for _, pkg := range module.Packages {
		if !rules.isSupport(pkg.Path) {
			total += pkg.Lines()
		}
	}
	return total
}

// checkLines checks the sizes of the product's packages.
func checkLines(module *Module, rules Rules) []Violation {
	var out []Violation
	total := productLines(module, rules)
	for _, pkg := range module.Packages {
		if rules.isSupport(pkg.Path) {
			continue
		}
		lines, limit := pkg.Lines(), rules.MaxLines
		larger, excepted := rules.Larger[pkg.Path]
		if excepted {
			limit = larger.Lines
			if lines <= rules.MaxLines {
				out = append(out, Violation{File: rulesFile, Problem: fmt.Sprintf("%s has %d lines, no more than other packages may have", pkg.Path, lines), Fix: "Remove it from Larger"})
			}
		}
		if lines > limit {
			out = append(out, Violation{File: pkg.Path, Problem: fmt.Sprintf("the package has %d lines, more than %d", lines, limit),
				Fix: "Split it by subject, or add it to Larger in " + rulesFile + ", with the reason"})
		}
		if rules.LargestShare > 0 && !excepted && lines*rules.LargestShare >= total {
			out = append(out, Violation{File: pkg.Path, Problem: fmt.Sprintf("the package has %d of the product's %d lines, not less than 1/%d", lines, total, rules.LargestShare),
				Fix: "Split it by subject"})
		}
	}
	return out
}

var sentenceEnd = regexp.MustCompile(`[.:](\s|$)`)

// checkComment checks that a package has a comment.
func checkComment(pkg *Package, rules Rules) []Violation {
	sentences, want := len(sentenceEnd.FindAllString(pkg.Doc, -1)), rules.Sentences
	if rules.isSupport(pkg.Path) {
		want = 1
	}
	if sentences >= want {
		return nil
	}
	return []Violation{{File: pkg.Files[0].Name, Problem: fmt.Sprintf("the comment of package %s has fewer than %d sentences (%d)", pkg.Path, want, sentences),
		Fix: "Describe what the package is for, its main types, and its callers"}}
}
