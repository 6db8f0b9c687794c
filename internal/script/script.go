package script

import (
	"cmp"
	"slices"
	"strings"

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

// Size returns the file size in bytes.
func (s *Script) Size() int64 {
	if s.Stream != nil {
		return s.Stream.size
	}
	return int64(len(s.Text))
}

// A Script is the SQL of one file, ready to run.
type Script struct {
	// Name is the file name, as shown in pg_stat_activity. Shown is Name in the database's
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
	Unannounced      bool // the server does not report each statement; see batch.Sender.Send
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

func blanked(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\r' {
			return r
		}
		return ' '
	}, text)
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

// stream is the content of a script that is too large for memory. It is read once to classify the
// script, and again each time it runs.
type stream struct {
	Open  Opener
	count int // statements, without the file's own BEGIN and COMMIT
	// wrapped reports whether the first and last statements are BEGIN and COMMIT.
	wrapped                  bool
	startsWithSetTransaction bool // the first statement is SET TRANSACTION
	savepoints               bool // the script contains savepoints
	BatchBytes               int  // approximate number of bytes per round trip
	size                     int64
}

const (
	// MaxParsedBytes is the file size in bytes above which a file is parsed statement by statement: a
	// parse tree takes up to a hundred times the size of the text.
	MaxParsedBytes = 256 << 10
	// MaxInMemoryBytes is the size up to which a file that cannot run in one transaction is held in
	// memory.
	MaxInMemoryBytes = 16 << 20
	// DefaultBatchBytes is the approximate size of the SQL that is sent in one round trip.
	DefaultBatchBytes = 1 << 20
)

// HasUnparsed reports whether the parser does not support one of the statements.
func (s *Script) HasUnparsed() bool {
	return slices.ContainsFunc(s.Statements, func(st Statement) bool { return st.unparsed })
}

// NeedsEndGuard reports whether a savepoint must detect that the script ends the transaction.
func (s *Script) NeedsEndGuard() bool {
	return !s.Parsed || s.HasUnparsed() && !s.StartsWithSetTransaction()
}
