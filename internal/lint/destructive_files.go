package lint

import (
	"io"
	"regexp"
	"strings"

	"github.com/shiplock/shiplock/internal/script"
	"github.com/shiplock/shiplock/internal/sqlfile"
)

// Read adds the changes of a file after its first done statements. The file is streamed, and only
// relevant statements are parsed.
func (c *destructiveChanges) Read(from io.Reader, done int) error {
	c.SearchPath, c.Own = c.InitialPath, OwnObjects{changes: map[string][]bool{}}
	defer func() { c.Own.Tables = c.createdTables() }()
	return script.ReadStatements(from, func(p sqlfile.Piece) {
		if done--; done < 0 && isRelevant(p) {
			c.statement(p)
		}
	})
}

// isRelevant reports whether a statement can remove data or change a name.
func isRelevant(p sqlfile.Piece) bool {
	switch p.Word {
	case "alter", "call", "create", "delete", "discard", "do", "drop", "execute", "insert", "merge", "prepare", "reset", "rollback", "select", "set", "truncate", "update", "with":
		return p.Word != "insert" || insertQueries.Match(p.Text) // a large file of plain INSERTs is not parsed
	}
	return mayBeDestructive(string(p.Text))
}

// insertQueries matches INSERTs with a query, which may remove data or call a function.
var insertQueries = regexp.MustCompile(`(?i)\bselect\b|\bwith\b|\bdo\s+update\b`)

// mayBeDestructive searches for keywords only; a match must be parsed or reported.
func mayBeDestructive(text string) bool {
	text = strings.Join(strings.Fields(strings.ToLower(text)), " ")
	for _, words := range []string{"delete from", "truncate", "drop table", "drop column", "drop schema"} {
		if strings.Contains(text, words) {
			return true
		}
	}
	return false
}

func (c *destructiveChanges) statement(p sqlfile.Piece) {
	line := script.LineInPiece(p, p.Start)
	text, tree := script.ParseStatement(p)
	if tree == nil {
		c.Uncertain = true
		if mayBeDestructive(text) {
			c.Changes = append(c.Changes, DestructiveChange{Operation: script.FirstWords(text), Line: line, Undetermined: "the parser does not support this SQL"})
		}
		return
	}
	before, n := len(c.Changes), tree.Stmts[0].Stmt
	for i, t := range StatementChangesOf(n, script.TrimSemicolon(text)) {
		c.resolve(t)
		c.Own.record(script.TrimSemicolon(text), i, !c.Uncertain && c.isOwn(t))
	}
	c.trackCalls(n, text)
	c.trackNames(n)
	for i := before; i < len(c.Changes); i++ {
		c.Changes[i].Line = line
	}
}

// DescribeDestructiveChanges lists what a file removes regardless of the data, such as "DROP TABLE
// guests", with the line of the first.
func DescribeDestructiveChanges(file string, open func() (io.ReadCloser, error)) (what []string, line int, err error) {
	l := NewDestructiveChanges(NewRelations())
	err = script.WithFile(file, open, func(from io.Reader) error { return l.Read(from, 0) })
	for _, t := range l.Changes {
		if t.Function != "" {
			continue
		}
		if line == 0 {
			line = t.Line
		}
		text := strings.TrimSpace(t.Operation + " " + strings.ReplaceAll(t.Table, `"`, ""))
		if t.Column != "" {
			text += "." + t.Column
		}
		what = append(what, text)
	}
	return what, line, err
}
