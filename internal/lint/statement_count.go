package lint

import (
	"github.com/shiplock/shiplock/internal/script"
)

// CountStatements returns the number of statements in a step's file, and whether they run in one
// transaction. Errors are *ScriptError.
func (s Step) CountStatements() (statements int, transactional bool, err error) {
	script, err := script.LoadFile(s.File, s.Open)
	if err != nil {
		return 0, false, err
	}
	return script.Count(), script.Transactional, nil
}
