package statements

import (
	"fmt"
	"strings"

	"github.com/shiplock/shiplock/internal/check/finding"
	"github.com/shiplock/shiplock/internal/check/locks"
	"github.com/shiplock/shiplock/internal/check/model"
	"github.com/shiplock/shiplock/internal/script"
)

// A File is an up file.
type File struct {
	Name   string
	Script *script.Script
	New    bool
}

// A checker is the state of a check.
type checker struct {
	schema   *model.Schema
	postgres int
	findings []finding.Finding

	file      File
	index     int // of the statement in its file
	statement script.Statement
	locks     locks.Locks
	tx        transaction
	// compatible are the statements for which package compatibility is not asked, because the files
	// show more about them: changes of types, and NOT NULL of columns that cannot be NULL already.
	compatible  map[place]bool
	foreignKeys []foreignKey
}

// A place is a statement of a file.
type place struct {
	file  string
	index int
}

// A foreignKey is a new foreign key of a table that exists already.
type foreignKey struct {
	table   *model.Table
	columns []string
	at      finding.Finding
}

// A transaction is what earlier statements of a transaction have done.
type transaction struct {
	explicit bool // opened by a BEGIN in the file
	held     map[*model.Table]heldLock
	values   map[string]bool // added to enum types
	several  bool            // MultipleTablesLocked is reported
}

// A heldLock is a lock that an earlier statement has taken.
type heldLock struct {
	mode locks.Mode
	line int
}

func (c *checker) line() int { return c.file.Script.LineOf(c.statement) }

// newFinding returns a finding about the statement.
func (c *checker) newFinding(rule, format string, args ...any) finding.Finding {
	return finding.Finding{Rule: rule, File: c.file.Name, Line: c.line(), Message: fmt.Sprintf(format, args...), Statement: c.index}
}

// report adds a finding about the statement; instead may be empty.
func (c *checker) report(rule, instead, format string, args ...any) {
	f := c.newFinding(rule, format, args...)
	f.Instead = instead
	c.findings = append(c.findings, f)
}

// reportLock adds a finding about the lock that the statement takes on a table.
func (c *checker) reportLock(rule string, t *model.Table, instead, format string, args ...any) {
	f := c.newFinding(rule, format, args...)
	f.Instead = instead
	if m := c.locks[t]; m > locks.None {
		f.Lock = &finding.Lock{Table: t.Name, Mode: m.String(), Blocks: m.Blocks()}
	}
	c.findings = append(c.findings, f)
}

// declaresCompatibility reports whether the file has a minimum compatible version, so that changes
// that older versions do not support are intended.
func (c *checker) declaresCompatibility() bool {
	return c.file.Script.Directives.MinCompatibleVersion > 0
}

// replaceFirst returns the statement's SQL with other first words; "" if it does not begin with
// words.
func (c *checker) replaceFirst(words, with string) string {
	fields := strings.Fields(words)
	rest := c.statement.Text
	for _, w := range fields {
		rest = strings.TrimLeft(rest, " \t\r\n")
		if len(rest) < len(w) || !strings.EqualFold(rest[:len(w)], w) {
			return ""
		}
		rest = rest[len(w):]
	}
	return with + rest + ";"
}
