package postgres

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/lib/pq"
)

// Outcome is what a migration that did not succeed has left behind.
type Outcome int

const (
	// RolledBack: the schema and the version are as before the migration.
	RolledBack Outcome = iota
	// PartiallyApplied: statements before the failed one are in effect, and the version is marked dirty.
	PartiallyApplied
	// Unknown: the connection broke at a moment that leaves it open.
	Unknown
)

// MigrationError is a migration that did not succeed.
type MigrationError struct {
	File    string // name of the file
	Step    string // "version 9 up"
	Version int    // that the migration leads to, -1 for none
	Before  int    // that the database had, -1 for none
	Outcome Outcome
	Script  *Script
	// FailedIndex is the index of the failed statement in Script.Statements, or -1
	// where the server did not say; len(Statements) is the commit.
	FailedIndex int
	// StatementsApplied is how many statements are in effect, when Outcome is PartiallyApplied.
	StatementsApplied int
	// Offset of the place in Script.SQL that the server names, in bytes; -1 for none.
	Offset int
	// Row is the line in the file of the row of a COPY that failed; 0 for none.
	Row int
	// RecordingFailed says that the version or the history could not be written: the file's statements had run.
	RecordingFailed bool
	// OwnTable is the table of Shiplock's that the failed statement reached without naming it, as
	// a loop over all tables does; empty for none.
	OwnTable string
	// Blockers are the sessions that held the lock, where a lock timeout, or the end of the run while it waited, ended it.
	Blockers []string
	// Reason is what was found out about it afterwards.
	Reason Reason
	// DataLoss is the data that the migration would have taken away, where that ended it.
	DataLoss *DataLoss
	Err      error // of the server, or of the connection, or why the run was ended
	// Leftovers is what the failed statement has left, where it could not be removed.
	Leftovers []Leftover

	lookup *leftoverLookup
}

func (e *MigrationError) Error() string {
	where := e.File
	if line, column := e.Position(); line > 0 {
		where = fmt.Sprintf("%s:%d:%d", e.File, line, column)
	}
	return fmt.Sprintf("migration %s (%s): %s", where, e.Step, e.message())
}

// message are PostgreSQL's. lib/pq adds a place in what was sent, which is not the file's.
func (e *MigrationError) message() string {
	server := e.Server()
	if server == nil || errors.Unwrap(e.Err) != nil {
		return e.Err.Error()
	}
	out := fmt.Sprintf("pq: %s (%s)", server.Message, server.Code)
	if server.Detail != "" {
		out += ": " + strings.Join(strings.Fields(server.Detail), " ")
	}
	return out
}

func (e *MigrationError) Unwrap() error { return e.Err }

// Server returns what PostgreSQL said, or nil.
func (e *MigrationError) Server() *pq.Error {
	var server *pq.Error
	if errors.As(e.Err, &server) {
		return server
	}
	return nil
}

// Statement returns the statement that failed, if it is known.
func (e *MigrationError) Statement() (Statement, bool) {
	if e.Script == nil || e.FailedIndex < 0 || e.FailedIndex >= len(e.Script.Statements) {
		return Statement{}, false
	}
	return e.Script.Statements[e.FailedIndex], true
}

// Position is the line and the column, in characters, of the place the server
// names or else of the failed statement; both from 1, and 0, 0 if not known.
func (e *MigrationError) Position() (line, column int) {
	if e.Row > 0 {
		return e.Row, 1
	}
	offset := e.Offset
	if st, ok := e.Statement(); ok && offset < 0 {
		offset = st.Offset
	}
	if offset < 0 || e.Script == nil || offset > len(e.Script.SQL) {
		return 0, 0
	}
	before := e.Script.SQL[:offset]
	start := strings.LastIndexByte(before, '\n') + 1
	line, column = 1+strings.Count(before, "\n"), 1+utf8.RuneCountInString(before[start:])
	if line == 1 {
		column += e.Script.origin.columns
	}
	return e.Script.origin.lines + line, column
}

// asMigrationError is an error that has no statement, as one of a script of which
// nothing is kept; nil stays nil.
func asMigrationError(s *Script, err error) *MigrationError {
	var fail *MigrationError
	if err == nil || errors.As(err, &fail) {
		return fail
	}
	return &MigrationError{Script: s, Outcome: RolledBack, Err: err, FailedIndex: -1, Offset: -1}
}

// serverOffset turns the position that the server gave, in characters from 1 of
// the text as sent, into an offset in bytes of that text; -1 for none.
func serverOffset(err error, sent string) int {
	var server *pq.Error
	if !errors.As(err, &server) || server.Position == "" {
		return -1
	}
	position, convErr := strconv.Atoi(server.Position)
	if convErr != nil || position < 1 {
		return -1
	}
	seen := 0
	for offset := range sent {
		if seen++; seen == position {
			return offset
		}
	}
	return len(sent) // the end of the input, where a statement is cut short
}
