package script

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	pgquery "github.com/pganalyze/pg_query_go/v6"

	"github.com/shiplock/shiplock/internal/sqlfile"
)

// MaxStoredSQL is the maximum size, in bytes, of the SQL that the history table keeps of a
// migration that is one transaction. Of other migrations it keeps all SQL: a resumed run compares
// it.
const MaxStoredSQL = 1 << 20

// StoredSQL returns the SQL that the history table keeps.
func (s *Script) StoredSQL() string {
	if s.Transactional && len(s.Text) > MaxStoredSQL {
		return ""
	}
	return s.Text
}

// SetsParameter reports whether a statement sets a parameter: with SET or RESET, set_config, or in
// a DO block.
func (st Statement) SetsParameter(name string) bool {
	if !strings.Contains(strings.ToLower(st.Text), name) {
		return false
	}
	switch n := st.Node; {
	case n.GetVariableSetStmt() != nil:
		return n.GetVariableSetStmt().GetName() == name
	case n.GetSelectStmt() != nil:
		return strings.Contains(strings.ToLower(st.Text), "set_config")
	}
	return st.Node.GetDoStmt() != nil
}

// Size returns the file size in bytes.
func (s *Script) Size() int64 {
	if s.Stream != nil {
		return s.Stream.size
	}
	return int64(len(s.Text))
}

// LoadStatements loads a streamed script into memory, so that its remaining statements can be run
// one by one.
func (s *Script) LoadStatements() error {
	if s.Stream == nil {
		if !s.Parsed {
			return &ScriptError{File: s.Name, Problem: "it is partially applied, and its current content cannot be parsed, so the remaining statements cannot be determined"}
		}
		return nil
	}
	var text []byte
	err := WithFile(s.Name, s.Stream.Open, func(from io.Reader) (err error) {
		if text, err = io.ReadAll(io.LimitReader(from, MaxInMemoryBytes+1)); err == nil && len(text) > MaxInMemoryBytes {
			err = fmt.Errorf("it is partially applied, and is now larger than %d MB, so the remaining statements cannot be determined", MaxInMemoryBytes>>20)
		}
		return err
	})
	if err != nil {
		return fileError(s.Name, err)
	}
	held, err := splitFile(s.Name, text, s.Directives)
	if err != nil {
		return fileError(s.Name, err)
	}
	held.Sum = s.Sum
	*s = *held
	return nil
}

// noTransaction is the directive for files that must not run in one transaction for a reason that
// their SQL does not show: CALL or DO with a COMMIT.
const noTransaction = sqlfile.NoTransaction

// A Script is the SQL of one file, ready to run.
type Script struct {
	// Name is the file name, as shown in pg_stat_activity. shown is Name in the database's
	// encoding, if different.
	Name, Shown string
	// Text is the file's text without a byte order mark; empty if the file is streamed.
	Text string
	// SQL is Text with spaces in place of everything that is not sent as SQL: a BEGIN … COMMIT
	// around the whole file, psql commands, COPY data. Line numbers are those of the file.
	SQL string
	// Statements are in file order; empty if Parsed is false.
	Statements []Statement
	// Begin opens the transaction, with the options of the file's own BEGIN.
	Begin string
	// Transactional scripts run in one transaction.
	Transactional bool
	// Autocommit scripts contain a statement that cannot run in a transaction, or the directive:
	// their statements are sent one by one. A script that is neither Transactional nor Autocommit
	// has transactions of its own.
	Autocommit bool
	// Parsed is false if the SQL cannot be split into statements, or contains statements that the
	// parser, which is that of one PostgreSQL release, does not support and that are missing in
	// Statements. The server then decides.
	Parsed bool
	// Directives are set by comments in the file.
	Directives sqlfile.Directives

	Sum              string     // checksum
	copies           []copyData // data of COPY … FROM stdin, in file order
	Stream           *stream
	Origin           origin
	StatementsBefore int  // statements of the file before the first one of this script
	Unannounced      bool // the server does not report each statement, see batch
}

// origin is where a script begins in its file: the number of lines before it and of characters
// before it on its first line.
type origin struct{ Lines, Columns int }

// copyData is the data of a COPY … FROM stdin. Offsets are in bytes of Script.SQL.
type copyData struct {
	statement, end int // of the COPY, including its semicolon
	after          int // end of the line \.
	from, to       int // data in Script.Text
	line           int // line of the first row in the file
}

// Count returns the number of statements, also for a streamed script.
func (s *Script) Count() int {
	if s.Stream != nil {
		return s.Stream.count
	}
	return len(s.Statements)
}

// A Statement is one statement of a script.
type Statement struct {
	Text   string // without surrounding white space and preceding comments
	Offset int    // byte offset of Text in Script.SQL

	Control            control
	Concurrent         *pgquery.IndexStmt // CREATE INDEX CONCURRENTLY
	SetsTransaction    bool               // SET TRANSACTION, which must be first
	MayDropPlpgsql     bool               // DROP EXTENSION or DROP LANGUAGE, which may drop plpgsql
	MayCommit          bool               // CALL, or DO that matches committingCode: may commit by itself
	RefusesTransaction bool               // cannot run in a transaction
	IsCommit           bool               // COMMIT, with or without AND CHAIN
	setsRole           bool               // SET ROLE or SESSION AUTHORIZATION: the new role may lack privileges on the history table
	readOnly           bool               // makes its transaction read-only
	unparsed           bool               // not supported by the parser, which is that of one PostgreSQL release
	Node               *pgquery.Node
}

// control is the effect of a statement on its transaction.
type control int

const (
	ControlNone control = iota
	controlBegin
	controlEnd
	controlChain // ends a transaction and begins another
)

// ScriptError reports a file that cannot be run. None of it was run.
type ScriptError = sqlfile.Error

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
			return nil, &ScriptError{Problem: noTransaction + " requires splitting the file into statements, which standard_conforming_strings = off prevents: " + err.Error()}
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
	s.Transactional = !s.Autocommit && !s.hasTransactionControl()
	if err := s.checkTransactionsClosed(); err != nil {
		return err
	}
	return s.checkCopy()
}

func lineAt(text []byte, offset int) int { return 1 + bytes.Count(text[:offset], []byte("\n")) }

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

// committingCode matches statements by which a DO block ends a transaction, also in languages other
// than plpgsql; functions and plpgsql's EXECUTE cannot. It also matches a change of the role,
// because the new role may lack privileges on the history table.
var committingCode = regexp.MustCompile(`(?i)commit|rollback|\bcall\b|\brole\b|\bauthorization\b`)

// newStatement classifies one parsed statement.
func newStatement(text string, offset int, n *pgquery.Node) Statement {
	st := Statement{
		Text: text, Offset: offset, Node: n,
		Control:            controlOf(n),
		SetsTransaction:    setsTransaction(n),
		MayDropPlpgsql:     dropsLanguage(n),
		RefusesTransaction: refusesTransaction(n),
		IsCommit:           n.GetTransactionStmt().GetKind() == pgquery.TransactionStmtKind_TRANS_STMT_COMMIT,
		setsRole:           setsRole(n),
		readOnly:           makesReadOnly(n),
		MayCommit:          n.GetCallStmt() != nil || n.GetDoStmt() != nil && committingCode.MatchString(text),
	}
	if ix := n.GetIndexStmt(); ix != nil && ix.Concurrent {
		st.Concurrent = ix
	}
	return st
}

// trimStatement removes white space and comments that precede a statement, so that its position is
// that of its first word.
func trimStatement(sql string, from, to int) (offset int, text string) {
	from += sqlfile.BlankLength(sql[from:to])
	return from, strings.TrimRight(sql[from:to], " \t\r\n\f\v")
}

// unwrap removes a BEGIN … COMMIT around the whole file, which becomes the script's own
// transaction.
func (s *Script) unwrap() {
	last := len(s.Statements) - 1
	if last < 1 || s.Statements[0].Control != controlBegin || s.Statements[last].Control != controlEnd || !s.Statements[last].IsCommit {
		return
	}
	for _, st := range s.Statements[1:last] {
		if st.Control != ControlNone {
			return
		}
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

func blanked(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\r' {
			return r
		}
		return ' '
	}, text)
}

// hasTransactionControl reports whether the script begins or ends transactions.
func (s *Script) hasTransactionControl() bool {
	for _, st := range s.Statements {
		if st.Control != ControlNone {
			return true
		}
	}
	return false
}

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

// Tree returns the statement's syntax tree, and parses it if a large file was split without the
// parser.
func (st Statement) Tree() *pgquery.Node {
	if st.Node.GetNode() != nil {
		return st.Node
	}
	if tree, err := pgquery.Parse(st.Text); err == nil && len(tree.Stmts) == 1 {
		return tree.Stmts[0].Stmt
	}
	return &pgquery.Node{}
}

// StartsWithSetTransaction reports whether the script starts with a statement that PostgreSQL
// accepts only before any query.
func (s *Script) StartsWithSetTransaction() bool {
	if s.Stream != nil {
		return s.Stream.startsWithSetTransaction
	}
	return len(s.Statements) > 0 && s.Statements[0].SetsTransaction
}

// TitleComment returns an SQL comment that shows the file's name in pg_stat_activity and in the
// server's log.
func (s *Script) TitleComment() string {
	if s.Name == "" {
		return ""
	}
	return "/* " + strings.NewReplacer("*", "", "\x00", "").Replace(cmp.Or(s.Shown, s.Name)) + " */ "
}
