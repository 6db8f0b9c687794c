package postgres

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"

	pgquery "github.com/pganalyze/pg_query_go/v6"

	"github.com/shiplock/shiplock/internal/sqlfile"
)

// noTransaction is the comment by which a file says that it must not run in one
// transaction, for what cannot be seen in its SQL: a CALL or DO that commits.
const noTransaction = sqlfile.NoTransaction

// Script is the SQL of one file, ready to run.
type Script struct {
	// Name is the file's, for who looks at the server's activity; shown is as the
	// database's encoding holds it, where that is not the same.
	Name, shown string
	// Text is the file's text without a byte order mark; empty when it is too big
	// to be held, see stream.
	Text string
	// SQL is Text with spaces for what is none: a BEGIN … COMMIT around the whole
	// file, psql's own lines, the rows of COPY. Its lines are still those of the file.
	SQL string
	// Statements are in the order of the file; empty when Parsed is false.
	Statements []Statement
	// Begin opens the transaction; it carries the options of the file's own BEGIN.
	Begin string
	// Transactional scripts run as one transaction.
	Transactional bool
	// Autocommit scripts hold a statement that refuses a transaction, or the
	// directive: their statements are sent one by one. A script that is neither
	// has transactions of its own.
	Autocommit bool
	// Parsed is false for SQL that cannot be told apart into statements, or has some
	// that the parser, of one PostgreSQL release, does not know and that are not in
	// Statements. The server then has the last word.
	Parsed bool
	// Says is what the file's own comments tell us.
	Directives sqlfile.Directives

	guarded bool // a down that must not lose data, see lossGuardSQL
	own     OwnObjects

	sum              string     // its checksum
	copies           []copyData // of COPY … FROM stdin, in the order of the file
	stream           *stream
	origin           origin
	statementsBefore int  // statements of the file before its first
	unannounced      bool // its statements are not announced one by one, see portion
}

// origin is where a script begins in its file: how many lines are before it, and
// how many characters on its first line.
type origin struct{ lines, columns int }

// rows are the data of a COPY … FROM stdin. Places are in bytes of Script.SQL.
type copyData struct {
	statement, end int // of the COPY, with its semicolon
	after          int // the line \.
	from, to       int // the rows, in Script.Text
	line           int // of the first, in the file
}

// Count is the number of statements, also of a script that is not held in memory.
func (s *Script) Count() int {
	if s.stream != nil {
		return s.stream.count
	}
	return len(s.Statements)
}

// Statement is one statement of a script.
type Statement struct {
	Text   string // without surrounding white space and comments before it
	Offset int    // of Text in Script.SQL, in bytes

	control            control
	concurrent         *pgquery.IndexStmt // CREATE INDEX CONCURRENTLY
	setsTransaction    bool               // SET TRANSACTION, which must come first
	mayDropPlpgsql     bool               // DROP EXTENSION and LANGUAGE, which may take plpgsql away
	mayCommit          bool               // CALL, and DO with countsAlone, which can commit by themselves
	refusesTransaction bool               // refuses a transaction
	isCommit           bool               // COMMIT, with or without AND CHAIN
	setsRole           bool               // SET ROLE or SESSION AUTHORIZATION: what follows may lack rights on the journal
	readOnly           bool               // makes its transaction read-only
	unparsed           bool               // the parser, of one PostgreSQL release, does not know it
	node               *pgquery.Node
}

// control is what a statement does to the transaction it stands in.
type control int

const (
	controlNone control = iota
	controlBegin
	controlEnd
	controlChain // ends one and begins the next
)

// ScriptError is a file that cannot be run as it is. Nothing of it was run.
type ScriptError = sqlfile.Error

// parseFile is ParseScript for a file with a name, which its errors then have.
func parseFile(name string, text []byte) (*Script, error) {
	s, err := ParseScript(text)
	if err != nil {
		return nil, unreadable(name, err)
	}
	s.Name = name
	return s, nil
}

// ParseScript splits the text of a file with PostgreSQL's own parser and decides
// how it must run. Errors are *ScriptError without File.
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
			return nil, &ScriptError{Problem: noTransaction + " needs the statements told apart, which standard_conforming_strings = off prevents: " + err.Error()}
		}
		return s, nil
	}
	return s, s.classify()
}

// decide says how a script runs, by its statements.
func (s *Script) classify() error {
	s.Parsed = true
	s.unwrap()
	s.Autocommit = s.Directives.NoTransaction || slices.ContainsFunc(s.Statements, func(st Statement) bool { return st.refusesTransaction })
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
		s.Statements = append(s.Statements, statement(text, from, raw.Stmt))
	}
}

// countsAlone finds what a DO block ends a transaction with, also in languages other
// than plpgsql; functions cannot, and neither can plpgsql's EXECUTE. It finds a change
// of the role, too, as the new one may have no right to the history.
var committingCode = regexp.MustCompile(`(?i)commit|rollback|\bcall\b|\brole\b|\bauthorization\b`)

// statement is one with what its tree tells.
func statement(text string, offset int, n *pgquery.Node) Statement {
	st := Statement{
		Text: text, Offset: offset, node: n,
		control:            controlOf(n),
		setsTransaction:    setsTransaction(n),
		mayDropPlpgsql:     dropsLanguage(n),
		refusesTransaction: refusesTransaction(n),
		isCommit:           n.GetTransactionStmt().GetKind() == pgquery.TransactionStmtKind_TRANS_STMT_COMMIT,
		setsRole:           setsRole(n),
		readOnly:           makesReadOnly(n),
		mayCommit:          n.GetCallStmt() != nil || n.GetDoStmt() != nil && committingCode.MatchString(text),
	}
	if ix := n.GetIndexStmt(); ix != nil && ix.Concurrent {
		st.concurrent = ix
	}
	return st
}

// trimStatement cuts white space and comments in front of a statement, which the
// parser counts to it, so that a caret can stand under its first word.
func trimStatement(sql string, from, to int) (offset int, text string) {
	for from < to {
		rest := sql[from:to]
		switch {
		case strings.ContainsRune(" \t\r\n\f\v", rune(rest[0])):
			from++
		case strings.HasPrefix(rest, "--"):
			n := strings.IndexAny(rest, "\r\n")
			if n < 0 {
				n = len(rest) - 1
			}
			from += n + 1
		case strings.HasPrefix(rest, "/*"):
			from += commentLength(rest)
		default:
			return from, strings.TrimRight(rest, " \t\r\n\f\v")
		}
	}
	return from, ""
}

// commentLength measures a block comment; PostgreSQL's nest.
func commentLength(s string) int {
	depth := 0
	for i := 0; i+1 < len(s); i++ {
		switch s[i : i+2] {
		case "/*":
			depth++
			i++
		case "*/":
			depth--
			i++
			if depth == 0 {
				return i + 1
			}
		}
	}
	return len(s)
}

// unwrap turns a BEGIN … COMMIT around the whole file into the script's own transaction.
func (s *Script) unwrap() {
	last := len(s.Statements) - 1
	if last < 1 || s.Statements[0].control != controlBegin || s.Statements[last].control != controlEnd || !s.Statements[last].isCommit {
		return
	}
	for _, st := range s.Statements[1:last] {
		if st.control != controlNone {
			return
		}
	}
	if s.Statements[0].readOnly {
		return // the version could not be written in it
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

// blank overwrites a statement with spaces, keeping its line breaks and the
// number of its characters, in which the server counts. It returns by how many
// bytes what follows has moved.
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

// controls says whether the script has transactions of its own.
func (s *Script) hasTransactionControl() bool {
	for _, st := range s.Statements {
		if st.control != controlNone {
			return true
		}
	}
	return false
}

// closed refuses a script that leaves a transaction open: all of it, and the
// version after it, would go with the session.
func (s *Script) checkTransactionsClosed() error {
	begin := -1
	for i, st := range s.Statements {
		switch st.control {
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
		Problem: fmt.Sprintf("%q begins a transaction that nothing commits, so all of it would be lost; add the COMMIT", st.Text),
	}
}
