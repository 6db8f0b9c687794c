// Package finding has the rules of migrator check, and what they find.
//
// A Rule has an ID, a default Severity, and the text of its page in the documentation. A Finding is
// one place in a migration file that a rule reports. Packages check and statements create findings,
// package output prints them, and hack/reference writes the page of each rule.
package finding

import (
	"cmp"
	"slices"
)

// A Severity is how serious a finding is. Findings of severity Error make migrator check fail.
type Severity string

// Values of Severity.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
	Off     Severity = "off" // the rule reports nothing
)

// A Rule is one check of the migration files.
type Rule struct {
	ID       string
	Severity Severity // the default
	Title    string   // a short noun phrase
	// Reason is why the rule exists, in Markdown.
	Reason string
	// Avoid is SQL that the rule reports, and Instead the SQL or the steps to use; Instead may be
	// empty if the message of a finding has it.
	Avoid, Instead string
}

// A Finding is one place in a file that a rule reports.
type Finding struct {
	Rule     string   `json:"rule"`
	Severity Severity `json:"severity"`
	File     string   `json:"file"` // name in the migrations directory
	Line     int      `json:"line"` // from 1
	Message  string   `json:"message"`
	Lock     *Lock    `json:"lock,omitempty"`
	// Instead is what to write instead; empty if the message has it.
	Instead string `json:"instead,omitempty"`
	// Statement is the index of the statement in the file; -1 for the file as a whole.
	Statement int `json:"-"`
}

// A Lock is the lock that a finding is about.
type Lock struct {
	Table  string `json:"table"`
	Mode   string `json:"mode"`   // such as "ACCESS EXCLUSIVE"
	Blocks string `json:"blocks"` // such as "reads and writes"
	// HeldSinceLine is the line of the earlier statement that took the lock; 0 if the statement
	// takes it itself.
	HeldSinceLine int `json:"held_since_line,omitempty"`
}

// WholeFile is the Statement of a finding about a file as a whole.
const WholeFile = -1

// Sort orders findings by file, line, rule and message.
func Sort(findings []Finding) {
	slices.SortStableFunc(findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Message, b.Message))
	})
}

// Count returns the number of findings of a severity.
func Count(findings []Finding, severity Severity) int {
	n := 0
	for _, f := range findings {
		if f.Severity == severity {
			n++
		}
	}
	return n
}
