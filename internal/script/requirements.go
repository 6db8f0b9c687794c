package script

import (
	"fmt"
	"slices"
	"strings"

	"github.com/shiplock/shiplock/internal/sqlfile"
)

// UnmetRequirement returns the reason why a script cannot run in a transaction that Shiplock
// begins, by itself or together with others, and its line; empty if it can.
func (s *Script) UnmetRequirement(singleTx bool) (line int, reason string) {
	if !s.Transactional {
		for _, st := range s.Statements {
			if st.RefusesTransaction {
				return s.LineOf(st), FirstWords(st.Text) + " cannot run in a transaction"
			}
		}
		for _, st := range s.Statements {
			if st.Control != ControlNone {
				return s.LineOf(st), "it has its own transactions"
			}
		}
		return 0, "it has the directive " + sqlfile.NoTransaction
	}
	if !singleTx {
		return 0, ""
	}
	switch {
	case !s.Parsed || s.HasUnparsed():
		if i := slices.IndexFunc(s.Statements, func(st Statement) bool { return st.unparsed }); i >= 0 {
			line = s.LineOf(s.Statements[i])
		}
		return line, "it has SQL that the parser does not support, so it is unknown whether it can run in a transaction"
	case !strings.EqualFold(s.Begin, "BEGIN") && !strings.EqualFold(s.Begin, "BEGIN TRANSACTION"):
		return 0, fmt.Sprintf("it begins its transaction with %q", s.Begin)
	case s.StartsWithSetTransaction():
		if len(s.Statements) > 0 {
			line = s.LineOf(s.Statements[0])
		}
		return line, "SET TRANSACTION must be the first statement of its transaction"
	}
	return 0, ""
}

// LineOf returns the line of a statement in the file.
func (s *Script) LineOf(st Statement) int { return lineAt([]byte(s.SQL), st.Offset) }

// FirstWords returns the first six words of a statement, to identify it in a message.
func FirstWords(sql string) string {
	const most = 6
	words := strings.Fields(sql)
	if len(words) <= most {
		return strings.Join(words, " ")
	}
	return strings.Join(words[:most], " ") + " …"
}
