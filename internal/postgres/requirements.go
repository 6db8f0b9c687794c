package postgres

import (
	"fmt"
	"slices"
	"strings"
)

// SessionRequiredError is a file that needs a session of its own, which a pooler in
// transaction mode does not give.
type SessionRequiredError struct {
	File   string
	Line   int // 0 where it is the file as a whole
	Reason string
}

func (e *SessionRequiredError) Error() string {
	return fmt.Sprintf("%s: %s, and that needs a session, which a pooler in transaction mode does not give", fileLine(e.File, e.Line), e.Reason)
}

// SeparateTransactionError is a file that cannot be one transaction with others.
type SeparateTransactionError struct {
	File   string
	Line   int // 0 where it is the file as a whole
	Reason string
}

func (e *SeparateTransactionError) Error() string {
	return fmt.Sprintf("%s: %s, so it cannot be one transaction with the other migrations of the release", fileLine(e.File, e.Line), e.Reason)
}

func fileLine(file string, line int) string {
	if line == 0 {
		return file
	}
	return fmt.Sprintf("%s:%d", file, line)
}

// Admit refuses a step that cannot run as it would have to: behind a pooler, or in
// one transaction with others. It needs the lock. Errors are *SessionRequiredError,
// *SeparateTransactionError and *ScriptError.
func (db *DB) CheckRequirements(step Step, together bool) error {
	if !db.pooled && !together {
		return nil
	}
	s, err := loadFile(step.File, step.Open)
	if err != nil {
		return err
	}
	line, what := s.unmetRequirement(together)
	if step.Resume {
		line, what = 0, fmt.Sprintf("it stopped part-way, after %d of %d statements", step.StatementsApplied, s.Count())
	}
	switch {
	case what == "":
		return nil
	case together:
		return &SeparateTransactionError{File: step.File, Line: line, Reason: what}
	}
	return &SessionRequiredError{File: step.File, Line: line, Reason: what}
}

// obstacle is what keeps a script from being a transaction of ours, with others or by itself.
func (s *Script) unmetRequirement(together bool) (line int, what string) {
	if !s.Transactional {
		for _, st := range s.Statements {
			if st.refusesTransaction {
				return s.lineOf(st), firstWords(st.Text) + " cannot run in a transaction"
			}
		}
		for _, st := range s.Statements {
			if st.control != controlNone {
				return s.lineOf(st), "it has transactions of its own"
			}
		}
		return 0, "it says " + noTransaction
	}
	if !together {
		return 0, ""
	}
	switch {
	case !s.Parsed || s.hasUnparsed():
		if i := slices.IndexFunc(s.Statements, func(st Statement) bool { return st.unparsed }); i >= 0 {
			line = s.lineOf(s.Statements[i])
		}
		return line, "its SQL is newer than the parser here, which cannot tell whether it can run in a transaction"
	case !strings.EqualFold(s.Begin, "BEGIN") && !strings.EqualFold(s.Begin, "BEGIN TRANSACTION"):
		return 0, fmt.Sprintf("it begins its transaction with %q", s.Begin)
	case s.startsWithSetTransaction():
		if len(s.Statements) > 0 {
			line = s.lineOf(s.Statements[0])
		}
		return line, "SET TRANSACTION must come first in its transaction"
	}
	return 0, ""
}

func (s *Script) lineOf(st Statement) int { return lineAt([]byte(s.SQL), st.Offset) }

// firstWords are enough of a statement to know it by.
func firstWords(sql string) string {
	const enough = 6
	words := strings.Fields(sql)
	if len(words) <= enough {
		return strings.Join(words, " ")
	}
	return strings.Join(words[:enough], " ") + " …"
}
