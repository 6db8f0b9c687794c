package script

import (
	"bytes"
	"errors"
	"io"
	"strings"

	pgquery "github.com/pganalyze/pg_query_go/v6"

	"github.com/shiplock/shiplock/internal/sqlfile"
)

// A scanner reads a streamed script for the first time and classifies it.
type scanner struct {
	script *Script
	header strings.Builder // text before the first statement
	size   int64
	last   Statement
	// controls counts the statements that begin or end a transaction. obstacle is the first other
	// reason why the script cannot run in one transaction.
	controls    int
	controlLine int // line of the first one that is not the file's own BEGIN
	began       bool
	obstacle    *ScriptError
}

func (c *scanner) read(from io.Reader) error {
	r := sqlfile.NewReader(from)
	for {
		p, err := r.Next()
		if errors.Is(err, io.EOF) {
			c.script.Sum, c.script.Stream.size = r.Sum(), c.size
			if c.script.Stream.count == 0 {
				return c.directives(1)
			}
			return nil
		}
		if err != nil {
			return fileError(c.script.Name, err)
		}
		c.size = p.Offset + int64(len(p.Text))
		if p.Kind != sqlfile.Statement {
			c.blank(p.Text)
		} else if err := c.statement(p); err != nil {
			return fileError(c.script.Name, err)
		}
	}
}

// blank stores text that may contain a directive, up to a limit.
func (c *scanner) blank(text []byte) {
	if c.script.Stream.count > 0 || c.header.Len() > MaxParsedBytes {
		return
	}
	if bytes.HasPrefix(text, []byte("\\")) {
		text = []byte("\n")
	}
	c.header.Write(text)
}

func (c *scanner) statement(p sqlfile.Piece) error {
	s := c.script
	line := LineInPiece(p, p.Start)
	if s.Stream.count == 0 {
		c.blank(p.Text[:p.Start])
		if err := c.directives(line); err != nil {
			return err
		}
	}
	st, known := parseIfRelevant(p)
	s.Parsed = s.Parsed && known
	if st.Node.GetCopyStmt() != nil && isBinaryCopy(st.Node) {
		return binaryCopyError(line)
	}
	if disablesConformingStrings.MatchString(st.Text) {
		return &ScriptError{Line: line, Problem: "a file of this size requires standard_conforming_strings = on; write E'…' for strings with backslash escapes, and remove this statement"}
	}
	if c.obstacle == nil && st.RefusesTransaction {
		c.obstacle = &ScriptError{Line: line, Problem: FirstWords(st.Text) + " cannot run in a transaction"}
	}
	s.Stream.savepoints = s.Stream.savepoints || isSavepoint(st.Node)
	s.Stream.count++
	if st.Control != ControlNone {
		c.control(st, line)
	}
	if s.Stream.count == 1 || s.Stream.count == 2 && c.began {
		s.Stream.startsWithSetTransaction = st.SetsTransaction
	}
	c.last = st
	return nil
}

// directives reads the comments before the first statement, which is on this line.
func (c *scanner) directives(line int) error {
	var err error
	if c.script.Directives, err = sqlfile.ReadDirectives(c.header.String()); c.script.Directives.NoTransaction {
		c.obstacle = &ScriptError{Line: line, Problem: "the file contains " + sqlfile.NoTransaction + ", so it cannot run in a transaction"}
	}
	return err
}

func (c *scanner) control(st Statement, line int) {
	c.controls++
	if c.script.Stream.count == 1 && st.Control == controlBegin && !st.readOnly {
		c.began, c.script.Begin = true, st.Text
		return
	}
	if c.controlLine == 0 {
		c.controlLine = line
	}
}

// end classifies the script. It returns the reason why it cannot run in one transaction, or nil.
func (c *scanner) end() *ScriptError {
	s := c.script
	switch {
	case c.obstacle != nil:
		return c.obstacle
	case c.controls == 0:
		return nil
	case c.controls == 2 && c.began && c.last.IsCommit && c.last.Control == controlEnd:
		s.Stream.wrapped = true
		s.Stream.count -= 2
		return nil
	}
	s.Begin = "BEGIN"
	return &ScriptError{Line: max(c.controlLine, 1), Problem: "the file contains its own transactions, so it cannot run in one"}
}

func isSavepoint(n *pgquery.Node) bool {
	switch n.GetTransactionStmt().GetKind() {
	case pgquery.TransactionStmtKind_TRANS_STMT_SAVEPOINT, pgquery.TransactionStmtKind_TRANS_STMT_RELEASE,
		pgquery.TransactionStmtKind_TRANS_STMT_ROLLBACK_TO:
		return true
	}
	return false
}
