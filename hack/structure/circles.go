package main

import (
	"cmp"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
)

// An Edge from a file to another one of its package, whose identifiers it uses.
type Edge struct {
	From, To string
	Uses     []Use
}

func (e Edge) String() string {
	var names []string
	for _, use := range e.Uses {
		names = append(names, fmt.Sprintf("%s (line %d)", use.Identifier, use.Line))
	}
	return fmt.Sprintf("%s uses %s: %s", path.Base(e.From), path.Base(e.To), strings.Join(names, ", "))
}

// A Circle is a largest set of files of which each uses every other one, directly or through others.
type Circle struct {
	Files []string // in the order in which the fewest uses are against it, lowest first
	Edges []Edge   // those against the order: without them the circle is gone
}

// checkCircles reports circles between the files of a package.
func checkCircles(pkg *Package, rules Rules) []Violation {
	circles := Circles(pkg)
	if _, allowed := rules.Circles[pkg.Path]; allowed {
		if len(circles) > 0 {
			return nil
		}
		return []Violation{{File: rulesFile, Problem: "the files of " + pkg.Path + " have no circles", Fix: "Remove it from Circles"}}
	}
	var out []Violation
	for _, circle := range circles {
		for _, edge := range circle.Edges {
			out = append(out, Violation{
				File: edge.From, Line: edge.Uses[0].Line, Problem: fmt.Sprintf("circle of %s: %s", baseNames(circle.Files), edge),
				Fix: "Move these declarations to " + path.Base(edge.From) + " or to a file below both, merge the files, or pass the value as a parameter",
			})
		}
	}
	return out
}

// Circles returns the circles between the files of a package, the largest first.
func Circles(pkg *Package) []Circle {
	edges := map[string]map[string]*Edge{}
	for _, use := range pkg.Uses {
		if edges[use.From] == nil {
			edges[use.From] = map[string]*Edge{}
		}
		if edges[use.From][use.To] == nil {
			edges[use.From][use.To] = &Edge{From: use.From, To: use.To}
		}
		edge := edges[use.From][use.To]
		edge.Uses = append(edge.Uses, use)
	}
	var circles []Circle
	for _, files := range components(edges) {
		if len(files) < 2 {
			continue
		}
		circle := Circle{Files: order(files, func(from, to string) int {
			if edge := edges[from][to]; edge != nil {
				return len(edge.Uses)
			}
			return 0
		})}
		for i, from := range circle.Files {
			for _, to := range circle.Files[i+1:] {
				if edge := edges[from][to]; edge != nil {
					circle.Edges = append(circle.Edges, *edge)
				}
			}
		}
		circles = append(circles, circle)
	}
	slices.SortStableFunc(circles, func(a, b Circle) int { return cmp.Compare(len(b.Files), len(a.Files)) })
	return circles
}

// components returns the strongly connected components (Tarjan's algorithm).
func components(edges map[string]map[string]*Edge) [][]string {
	var (
		out    [][]string
		stack  []string
		number = map[string]int{} // in the order of visits, from 1
		lowest = map[string]int{} // the lowest number on the stack that a file reaches
		visit  func(string)
	)
	visit = func(file string) {
		number[file] = len(number) + 1
		lowest[file] = number[file]
		stack = append(stack, file)
		for _, to := range slices.Sorted(maps.Keys(edges[file])) {
			if number[to] == 0 {
				visit(to)
				lowest[file] = min(lowest[file], lowest[to])
			} else if slices.Contains(stack, to) {
				lowest[file] = min(lowest[file], number[to])
			}
		}
		if lowest[file] == number[file] {
			start := slices.Index(stack, file)
			component := slices.Clone(stack[start:])
			slices.Sort(component)
			out = append(out, component)
			stack = stack[:start]
		}
	}
	for _, file := range slices.Sorted(maps.Keys(edges)) {
		if number[file] == 0 {
			visit(file)
		}
	}
	return out
}

// order sorts files so that few uses go from a file to one behind it. It moves one file at a time as long as that makes them fewer,
// which finds a good order, not always the best one.
func order(files []string, uses func(from, to string) int) []string {
	files = slices.Clone(files)
	for improved := true; improved; {
		improved = false
		for i, file := range files {
			// The gain of a move past each neighbor adds up.
			best, target, gain := 0, i, 0
			for j := i - 1; j >= 0; j-- {
				gain += uses(files[j], file) - uses(file, files[j])
				if gain > best {
					best, target = gain, j
				}
			}
			gain = 0
			for j := i + 1; j < len(files); j++ {
				gain += uses(file, files[j]) - uses(files[j], file)
				if gain > best {
					best, target = gain, j
				}
			}
			if best > 0 {
				files = slices.Insert(slices.Delete(files, i, i+1), target, file)
				improved = true
				break
			}
		}
	}
	return files
}

func baseNames(files []string) string {
	var names []string
	for _, file := range files {
		names = append(names, path.Base(file))
	}
	return strings.Join(names, ", ")
}
