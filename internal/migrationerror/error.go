package migrationerror

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/lib/pq"

	"github.com/shiplock/shiplock/internal/activity"
	"github.com/shiplock/shiplock/internal/dataloss"
	"github.com/shiplock/shiplock/internal/postgres"
	"github.com/shiplock/shiplock/internal/resume"
	"github.com/shiplock/shiplock/internal/script"
	"github.com/shiplock/shiplock/internal/source"
)

// DataLossFrom returns the data loss that caused a migration to fail; nil for another cause.
func DataLossFrom(fail *Error) *dataloss.Loss {
	var server *pq.Error
	var detail dataloss.Detail
	if !errors.As(fail.Err, &server) || server.Code != dataloss.SQLState || server.Constraint != dataloss.Constraint || json.Unmarshal([]byte(server.Detail), &detail) != nil {
		return nil
	}
	line, _ := fail.Position()
	return &dataloss.Loss{File: fail.File, Line: line, How: detail.How, Table: server.Table, Column: server.Column,
		Rows: min(detail.Rows, dataloss.MaxCountedRows), AtLeast: detail.Rows > dataloss.MaxCountedRows, Unknown: detail.Unknown}
}

// An Outcome is the state in which a failed migration left the database.
type Outcome int

const (
	// RolledBack means that the schema and the version are as before the migration.
	RolledBack Outcome = iota
	// PartiallyApplied means that statements before the failed one were applied, and that the
	// version is marked dirty.
	PartiallyApplied
	// Unknown means that the connection was lost before the server confirmed the commit.
	Unknown
)

// A Error is the failure of a migration.
type Error struct {
	File string // name of the file
	// FileVersion is the version of the file, and Direction is up or down.
	FileVersion int
	Direction   source.Direction
	Version     int // after the migration, -1 for none
	Before      int // before the migration, -1 for none
	Outcome     Outcome
	Script      *script.Script
	// FailedIndex is the index of the failed statement in Script.Statements, or -1 if it is
	// unknown; len(Statements) is the commit.
	FailedIndex int
	// StatementsApplied is the number of applied statements if Outcome is PartiallyApplied.
	StatementsApplied int
	// Offset is the server's position in Script.SQL, in bytes; -1 for none.
	Offset int
	// Row is the line in the file of the COPY row that failed; 0 for none.
	Row int
	// RecordingFailed is set if the file's statements ran but the version or the history could not
	// be written.
	RecordingFailed bool
	// OwnTable is Shiplock's table that the failed statement accessed without naming it, such as in
	// a loop over all tables; empty for none.
	OwnTable string
	// VersionTable is the version table's name without its schema. The names of Shiplock's other
	// tables start with it.
	VersionTable string
	// Blockers are the blocking sessions, if a lock timeout or the run's timeout ended the wait for
	// a lock.
	Blockers []activity.SessionInfo
	// Reason is the result of the diagnosis.
	Reason Reason
	// DataLoss is the data that the migration would have deleted, if that is why it failed.
	DataLoss *dataloss.Loss
	Err      error // of the server or the connection, or the cause of the stop
	// Leftovers are the leftovers of the failed statement that could not be removed.
	Leftovers []resume.Leftover
}

func (e *Error) Error() string {
	where := e.File
	if line, column := e.Position(); line > 0 {
		where = fmt.Sprintf("%s:%d:%d", e.File, line, column)
	}
	return fmt.Sprintf("migration %s (%s): %s", where, e.Step(), e.Message())
}

// Step names the step of the plan: "version 9 up".
func (e *Error) Step() string {
	return fmt.Sprintf("version %d %s", e.FileVersion, e.Direction)
}

// Message returns PostgreSQL's message. lib/pq adds a position in the sent text, which is not the
// position in the file.
func (e *Error) Message() string {
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

func (e *Error) Unwrap() error { return e.Err }

// Server returns PostgreSQL's error, or nil.
func (e *Error) Server() *pq.Error {
	var server *pq.Error
	if errors.As(e.Err, &server) {
		return server
	}
	return nil
}

// Statement returns the failed statement, if it is known.
func (e *Error) Statement() (script.Statement, bool) {
	if e.Script == nil || e.FailedIndex < 0 || e.FailedIndex >= len(e.Script.Statements) {
		return script.Statement{}, false
	}
	return e.Script.Statements[e.FailedIndex], true
}

// Position returns the line and the column, in characters, of the server's position, or else of the
// failed statement; both from 1, and 0, 0 if unknown.
func (e *Error) Position() (line, column int) {
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
		column += e.Script.Origin.Columns
	}
	return e.Script.Origin.Lines + line, column
}

// Wrap returns an error without a statement as an *Error of a script that was rolled back; nil for
// nil. If err wraps an *Error, Wrap returns that one.
func Wrap(s *script.Script, err error) *Error {
	var fail *Error
	if err == nil || errors.As(err, &fail) {
		return fail
	}
	return &Error{Script: s, Outcome: RolledBack, Err: err, FailedIndex: -1, Offset: -1}
}

// ServerOffset converts the server's position, in characters from 1 of the sent text, to an offset
// in bytes of that text; -1 for none.
func ServerOffset(err error, sent string) int {
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
	return len(sent) // the end of the input, in an incomplete statement
}

// Inherit copies what an earlier attempt found out about the same failure: this attempt may not
// have looked for the blocking sessions.
func (e *Error) Inherit(earlier *Error) {
	if e.File != earlier.File || e.Outcome != RolledBack || e.FailedIndex >= 0 && e.FailedIndex != earlier.FailedIndex {
		return
	}
	if e.FailedIndex < 0 {
		e.Script, e.FailedIndex, e.Offset = earlier.Script, earlier.FailedIndex, earlier.Offset
	}
	if len(e.Blockers) == 0 {
		e.Blockers = earlier.Blockers
	}
	if server := earlier.Server(); server != nil && e.Server() == nil && !postgres.IsLostError(e.Err) { // the run reached its timeout
		e.Err = errors.Join(e.Err, server)
	}
}
