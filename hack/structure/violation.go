package main

import "fmt"

// A Violation of a rule, at a line of a file where it has one.
type Violation struct {
	File    string
	Line    int
	Problem string
	Fix     string // begins with an imperative
}

func (v Violation) String() string {
	at := v.File
	if v.Line > 0 {
		at += fmt.Sprintf(":%d", v.Line)
	}
	return fmt.Sprintf("%s: %s. %s.", at, v.Problem, v.Fix)
}
