package check

import (
	"fmt"
	"strings"

	pgquery "github.com/pganalyze/pg_query_go/v6"

	"github.com/shiplock/shiplock/internal/check/finding"
	"github.com/shiplock/shiplock/internal/sqlfile"
)

// checkFiles applies the rules for files and directives to the new files.
func (d *directory) checkFiles() []finding.Finding {
	var out []finding.Finding
	byVersion := map[uint][]*file{}
	for _, f := range d.files {
		byVersion[f.Version] = append(byVersion[f.Version], f)
	}
	for i, f := range d.files {
		if i == 0 || d.files[i-1].Version != f.Version {
			out = append(out, checkPair(byVersion[f.Version])...)
		}
		if f.isNew {
			out = append(out, f.checkText()...)
		}
	}
	return out
}

// checkPair checks the up and down file of a version. Versions with more files have a finding
// already.
func checkPair(files []*file) []finding.Finding {
	var up, down *file
	isNew := false
	for _, f := range files {
		isNew = isNew || f.isNew
		switch {
		case f.Down && down == nil:
			down = f
		case !f.Down && up == nil:
			up = f
		default:
			return nil
		}
	}
	report := func(rule string, f *file, format string, args ...any) []finding.Finding {
		return []finding.Finding{{Rule: rule, File: f.file, Line: 1, Message: fmt.Sprintf(format, args...), Statement: finding.WholeFile}}
	}
	switch {
	case !isNew:
	case up == nil:
		return report(finding.MissingUp, down, "version %d has a down file and no up file; add the up file, or remove this one", down.Version)
	case down == nil && !up.isIrreversible():
		return report(finding.MissingDown, up, "version %d has no down file; add one, or declare the migration with -- %s", up.Version, sqlfile.Irreversible)
	case down == nil:
	case up.Name != down.Name:
		return report(finding.MismatchedNames, down, "the up file of version %d is %s; give both the same name", up.Version, up.file)
	case up.isIrreversible() && down.hasStatements():
		return report(finding.ContradictoryDirectives, up, "-- %s, but %s contains statements; remove one of them", sqlfile.Irreversible, down.file)
	}
	return nil
}

func (f *file) isIrreversible() bool { return f.script != nil && f.script.Directives.Irreversible }

func (f *file) hasStatements() bool { return f.larger || f.script != nil && f.script.Count() > 0 }

// checkText checks the directives of a file, and whether its SQL can be checked.
func (f *file) checkText() []finding.Finding {
	var out []finding.Finding
	add := func(rule string, line, statement int, format string, args ...any) {
		out = append(out, finding.Finding{Rule: rule, File: f.file, Line: max(line, 1), Message: fmt.Sprintf(format, args...), Statement: statement})
	}
	if f.larger {
		add(finding.UnreadableSQL, 1, finding.WholeFile, "the file is larger than %d MB, so its statements were not checked", maxBytes>>20)
		return out
	}
	if f.err != nil {
		rule := finding.UnreadableSQL
		if _, err := sqlfile.ReadDirectives(string(f.text)); err != nil {
			rule = finding.InvalidDirective
		}
		add(rule, f.err.Line, finding.WholeFile, "%s", f.err.Problem)
		return out
	}
	f.checkDirectives(add)
	f.checkParsed(add)
	return out
}

type addFunc func(rule string, line, statement int, format string, args ...any)

// checkDirectives finds directives without effect, and those that contradict each other.
func (f *file) checkDirectives(add addFunc) {
	seen := map[string]string{}
	header := headerLines(string(f.text))
	for _, c := range commentsOf(f, "shiplock:") {
		name, argument, _ := strings.Cut(c.text, " ")
		switch {
		case name == sqlfile.Allow:
			continue
		case c.line > header:
			add(finding.InvalidDirective, c.line, finding.WholeFile, "-- %s has no effect here; move it above the first statement", c.text)
			continue
		case f.Down && (name == sqlfile.Irreversible || name == sqlfile.MinCompatibleVersion):
			add(finding.InvalidDirective, c.line, finding.WholeFile, "-- %s has no effect in a down file; move it to the up file", c.text)
		}
		argument = strings.TrimSpace(argument)
		if other, known := seen[name]; known && other != argument {
			add(finding.ContradictoryDirectives, c.line, finding.WholeFile, "-- %s %s contradicts -- %[1]s %[3]s above it; remove one of them", name, argument, other)
		}
		seen[name] = argument
		if v := f.script.Directives.MinCompatibleVersion; name == sqlfile.MinCompatibleVersion && v > f.Version && !f.Down {
			add(finding.ContradictoryDirectives, c.line, finding.WholeFile, "-- %s %d is above version %d of this migration, so not even its own release could run", name, v, f.Version)
		}
		if name == sqlfile.NoTransaction && f.opensTransaction() {
			add(finding.ContradictoryDirectives, c.line, finding.WholeFile, "-- %s, but the file contains BEGIN; remove one of them", name)
		}
	}
}

// headerLines returns the number of lines that can contain directives: blank lines and line
// comments at the beginning of a file.
func headerLines(text string) int {
	n := 0
	for line := range strings.Lines(strings.TrimPrefix(text, "\ufeff")) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "--") {
			break
		}
		n++
	}
	return n
}

// opensTransaction reports whether the file has a BEGIN, also one around the whole file, which the
// script has in Begin.
func (f *file) opensTransaction() bool {
	tree, err := pgquery.Parse(f.script.Text)
	if err != nil {
		return false
	}
	for _, s := range tree.Stmts {
		switch s.Stmt.GetTransactionStmt().GetKind() {
		case pgquery.TransactionStmtKind_TRANS_STMT_BEGIN, pgquery.TransactionStmtKind_TRANS_STMT_START:
			return true
		}
	}
	return false
}

// checkParsed finds statements that the parser rejects.
func (f *file) checkParsed(add addFunc) {
	if !f.script.Parsed {
		add(finding.UnreadableSQL, 1, finding.WholeFile, "the file cannot be split into statements, so they were not checked")
		return
	}
	for i, st := range f.script.Statements {
		if st.Node.GetNode() != nil {
			continue
		}
		if _, err := pgquery.Parse(st.Text); err != nil {
			add(finding.UnreadableSQL, f.script.LineOf(st), i, "PostgreSQL's parser rejects the statement, so it was not checked: %v", err)
		}
	}
}
