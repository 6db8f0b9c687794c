package executor

import (
	"fmt"

	"github.com/shiplock/shiplock/internal/script"
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

// CheckRequirements returns an error if a migration cannot run in one transaction with others, or, if
// singleTx is not set, behind a connection pooler in transaction mode. Errors are *SessionRequiredError,
// *SeparateTransactionError and *script.ScriptError.
func CheckRequirements(m Migration, singleTx bool) error {
	s, err := script.LoadFile(m.File, m.Open)
	if err != nil {
		return err
	}
	line, reason := s.UnmetRequirement(singleTx)
	if m.Resume {
		line, reason = 0, fmt.Sprintf("it is partially applied (%d of %d statements)", m.Entry.StatementsApplied, s.Count())
	}
	switch {
	case reason == "":
		return nil
	case singleTx:
		return &SeparateTransactionError{File: m.File, Line: line, Reason: reason}
	}
	return &SessionRequiredError{File: m.File, Line: line, Reason: reason}
}
