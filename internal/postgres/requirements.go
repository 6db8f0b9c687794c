package postgres

import (
	"fmt"
	"slices"
	"strings"
)

// A SessionRequiredError is a migration file that requires a session, which a connection
// pooler in transaction mode does not provide.
type SessionRequiredError struct {
	File   string
	Line   int // 0 for the file as a whole
	Reason string
}

func (e *SessionRequiredError) Error() string {
	return fmt.Sprintf("%s: %s, which requires a session; a connection pooler in transaction mode does not provide one", fileLine(e.File, e.Line), e.Reason)
}

// A SeparateTransactionError is a migration file that cannot run in one transaction with
// other migrations.
type SeparateTransactionError struct {
	File   string
	Line   int // 0 for the file as a whole
	Reason string
}

func (e *SeparateTransactionError) Error() string {
	return fmt.Sprintf("%s: %s, so it cannot run in one transaction with the other migrations of the release", fileLine(e.File, e.Line), e.Reason)
}

// fileLine returns "file:line", or the file alone where the line is 0.
func fileLine(file string, line int) string {
	if line == 0 {
		return file
	}
	return fmt.Sprintf("%s:%d", file, line)
}

// CheckRequirements returns an error if a step cannot run behind the connection pooler, or in one
// transaction with other steps. The caller holds the lock. Errors are *SessionRequiredError,
// *SeparateTransactionError and *ScriptError.
func (db *DB) CheckRequirements(step Step, singleTx bool) error {
	if !db.pooled && !singleTx {
		return nil
	}
	s, err := loadFile(step.File, step.Open)
	if err != nil {
		return err
	}
	line, reason := s.unmetRequirement(singleTx)
	if step.Resume {
		line, reason = 0, fmt.Sprintf("it is partially applied (%d of %d statements)", step.StatementsApplied, s.Count())
	}
	switch {
	case reason == "":
		return nil
	case singleTx:
		return &SeparateTransactionError{File: step.File, Line: line, Reason: reason}
	}
	return &SessionRequiredError{File: step.File, Line: line, Reason: reason}
}

// unmetRequirement returns the reason why a script cannot run in a transaction that Shiplock
// begins, by itself or together with others, and its line; empty if it can.
func (s *Script) unmetRequirement(singleTx bool) (line int, reason string) {
	if !s.Transactional {
		for _, st := range s.Statements {
			if st.refusesTransaction {
				return s.lineOf(st), firstWords(st.Text) + " cannot run in a transaction"
			}
		}
		for _, st := range s.Statements {
			if st.control != controlNone {
				return s.lineOf(st), "it has its own transactions"
			}
		}
		return 0, "it has the directive " + noTransaction
	}
	if !singleTx {
		return 0, ""
	}
	switch {
	case !s.Parsed || s.hasUnparsed():
		if i := slices.IndexFunc(s.Statements, func(st Statement) bool { return st.unparsed }); i >= 0 {
			line = s.lineOf(s.Statements[i])
		}
		return line, "it has SQL that the parser does not support, so it is unknown whether it can run in a transaction"
	case !strings.EqualFold(s.Begin, "BEGIN") && !strings.EqualFold(s.Begin, "BEGIN TRANSACTION"):
		return 0, fmt.Sprintf("it begins its transaction with %q", s.Begin)
	case s.startsWithSetTransaction():
		if len(s.Statements) > 0 {
			line = s.lineOf(s.Statements[0])
		}
		return line, "SET TRANSACTION must be the first statement of its transaction"
	}
	return 0, ""
}

// lineOf returns the line of a statement in the file.
func (s *Script) lineOf(st Statement) int { return lineAt([]byte(s.SQL), st.Offset) }

// firstWords returns the first six words of a statement, to identify it in a message.
func firstWords(sql string) string {
	const most = 6
	words := strings.Fields(sql)
	if len(words) <= most {
		return strings.Join(words, " ")
	}
	return strings.Join(words[:most], " ") + " …"
}
