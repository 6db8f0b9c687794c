package script

import (
	"fmt"
	"slices"

	pgquery "github.com/pganalyze/pg_query_go/v6"

	"github.com/shiplock/shiplock/internal/sqlfile"
)

// ParseFile calls ParseScript and adds the file name to its errors.
func ParseFile(name string, text []byte) (*Script, error) {
	s, err := ParseScript(text)
	if err != nil {
		return nil, fileError(name, err)
	}
	s.Name = name
	return s, nil
}

// ParseScript splits the text of a file with PostgreSQL's parser and classifies it. Errors are
// *ScriptError without File.
func ParseScript(text []byte) (*Script, error) {
	s := &Script{Begin: "BEGIN", Transactional: true}
	if err := s.parseText(text); err != nil {
		return nil, err
	}
	var err error
	if s.Directives, err = sqlfile.ReadDirectives(s.SQL); err != nil {
		return nil, err
	}
	tree, err := pgquery.Parse(s.SQL)
	if err == nil {
		s.split(tree)
		return s, s.classify()
	}
	if !s.splitByStatement() {
		if s.Directives.NoTransaction {
			return nil, &ScriptError{Problem: sqlfile.NoTransaction + " requires splitting the file into statements, which standard_conforming_strings = off prevents: " + err.Error()}
		}
		return s, nil
	}
	return s, s.classify()
}

// classify determines how a script runs.
func (s *Script) classify() error {
	s.Parsed = true
	s.unwrap()
	s.Autocommit = s.Directives.NoTransaction || slices.ContainsFunc(s.Statements, func(st Statement) bool { return st.RefusesTransaction })
	s.Transactional = !s.Autocommit && !slices.ContainsFunc(s.Statements, Statement.controlsTransaction)
	if err := s.checkTransactionsClosed(); err != nil {
		return err
	}
	return s.checkCopy()
}

func (s *Script) split(tree *pgquery.ParseResult) {
	for _, raw := range tree.Stmts {
		from, length := int(raw.StmtLocation), int(raw.StmtLen)
		if length == 0 {
			length = len(s.SQL) - from
		}
		from, text := trimStatement(s.SQL, from, from+length)
		s.Statements = append(s.Statements, newStatement(text, from, raw.Stmt))
	}
}

// unwrap removes a BEGIN … COMMIT around the whole file, which becomes the script's own
// transaction.
func (s *Script) unwrap() {
	last := len(s.Statements) - 1
	if last < 1 || s.Statements[0].Control != controlBegin || s.Statements[last].Control != controlEnd || !s.Statements[last].IsCommit {
		return
	}
	if slices.ContainsFunc(s.Statements[1:last], Statement.controlsTransaction) {
		return
	}
	if s.Statements[0].readOnly {
		return // the version cannot be written in a read-only transaction
	}
	s.Begin = s.Statements[0].Text
	s.blank(s.Statements[last])
	shift := s.blank(s.Statements[0])
	s.Statements = s.Statements[1:last]
	for i := range s.Statements {
		s.Statements[i].Offset += shift
	}
	for i := range s.copies {
		s.copies[i].statement += shift
		s.copies[i].end += shift
		s.copies[i].after += shift
	}
}

// blank overwrites a statement with spaces and keeps its line breaks and number of characters,
// which the server's positions count. It returns the change in bytes.
func (s *Script) blank(st Statement) (shift int) {
	spaces := blanked(st.Text)
	s.SQL = s.SQL[:st.Offset] + spaces + s.SQL[st.Offset+len(st.Text):]
	return len(spaces) - len(st.Text)
}

// controlsTransaction reports whether a statement begins or ends a transaction.
func (st Statement) controlsTransaction() bool { return st.Control != ControlNone }

// checkTransactionsClosed rejects a script that leaves a transaction open: it and the version would
// be rolled back at the end of the session.
func (s *Script) checkTransactionsClosed() error {
	begin := -1
	for i, st := range s.Statements {
		switch st.Control {
		case controlBegin, controlChain:
			begin = i
		case controlEnd:
			begin = -1
		}
	}
	if begin < 0 {
		return nil
	}
	st := s.Statements[begin]
	return &ScriptError{
		Line:    lineAt([]byte(s.SQL), st.Offset),
		Problem: fmt.Sprintf("%q begins a transaction that is never committed, so all of it would be rolled back; add the COMMIT", st.Text),
	}
}
