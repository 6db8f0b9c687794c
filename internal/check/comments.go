package check

import (
	"strconv"
	"strings"

	pgquery "github.com/pganalyze/pg_query_go/v6"

	"github.com/shiplock/shiplock/internal/check/finding"
	"github.com/shiplock/shiplock/internal/sqlfile"
)

// A comment is a line comment of a file.
type comment struct {
	text      string // without "--" and white space around it
	line      int
	statement int // index of the statement that it belongs to; the number of statements after the last one
}

// commentsOf returns the line comments of a file that begin with a prefix. A comment belongs to the
// statement that follows it or contains it, or to the one that ends before it on the same line.
func commentsOf(f *file, prefix string) []comment {
	if f.script == nil || !strings.Contains(f.script.SQL, prefix) {
		return nil
	}
	sql := f.script.SQL
	tokens, err := pgquery.Scan(sql)
	if err != nil {
		return nil
	}
	var out []comment
	for _, t := range tokens.Tokens {
		if t.Token != pgquery.Token_SQL_COMMENT {
			continue
		}
		text := strings.TrimSpace(strings.TrimPrefix(sql[t.Start:t.End], "--"))
		if strings.HasPrefix(text, prefix) {
			at := int(t.Start)
			out = append(out, comment{text: text, line: 1 + strings.Count(sql[:at], "\n"), statement: f.statementOf(at)})
		}
	}
	return out
}

// statementOf returns the index of the statement that a comment at an offset belongs to.
func (f *file) statementOf(offset int) int {
	all := f.script.Statements
	for i, st := range all {
		end := st.Offset + len(st.Text)
		if offset < end || !strings.Contains(f.script.SQL[end:offset], "\n") {
			return i
		}
	}
	return len(all)
}

// An allow is a comment that silences a rule.
type allow struct {
	comment
	rule   string
	reason string
	used   bool
}

// readAllows returns the allow comments of a file.
func readAllows(f *file) []*allow {
	var out []*allow
	for _, c := range commentsOf(f, sqlfile.Allow) {
		rest := strings.TrimPrefix(c.text, sqlfile.Allow)
		rule, reason, _ := strings.Cut(rest, ":")
		out = append(out, &allow{comment: c, rule: strings.TrimSpace(rule), reason: strings.TrimSpace(reason)})
	}
	return out
}

// problem returns why an allow comment is invalid; "" if it is valid.
func (a *allow) problem() string {
	_, known := finding.Lookup(a.rule)
	switch {
	case a.rule == "":
		return "want -- " + sqlfile.Allow + " RULE: reason"
	case !known:
		return "unknown rule " + strconv.Quote(a.rule) + "; `migrator check --rules` lists the rules"
	case a.rule == finding.InvalidAllow || a.rule == finding.UnusedAllow:
		return "rule " + a.rule + " cannot be silenced by a comment"
	case a.reason == "":
		return "missing reason; want -- " + sqlfile.Allow + " " + a.rule + ": reason"
	}
	return ""
}

// silences reports whether an allow comment applies to a finding: to the comment's statement, and
// above the first statement also to the file as a whole.
func (a *allow) silences(f finding.Finding) bool {
	return a.rule == f.Rule && (a.statement == f.Statement || f.Statement == finding.WholeFile && a.statement == 0)
}

// applyAllows removes the findings that comments silence, and adds findings about the comments.
func applyAllows(files []*file, s settings, findings []finding.Finding) []finding.Finding {
	allows := map[string][]*allow{}
	for _, f := range files {
		allows[f.file] = readAllows(f)
	}
	var out []finding.Finding
	for _, found := range findings {
		silenced := false
		for _, a := range allows[found.File] {
			if a.problem() == "" && a.silences(found) {
				a.used, silenced = true, true
			}
		}
		if !silenced {
			out = append(out, found)
		}
	}
	for _, f := range files {
		for _, a := range allows[f.file] {
			report := func(rule, message string) {
				out = append(out, finding.Finding{Rule: rule, File: f.file, Line: a.line, Message: message, Statement: finding.WholeFile})
			}
			switch problem := a.problem(); {
			case !f.isNew:
			case problem != "":
				report(finding.InvalidAllow, problem)
			case !a.used && s.severity(a.rule) != finding.Off:
				report(finding.UnusedAllow, "rule "+a.rule+" reports nothing here; remove the comment")
			}
		}
	}
	return out
}
