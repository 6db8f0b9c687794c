package advice

import (
	"fmt"

	"github.com/shiplock/shiplock/internal/migrator"
)

// Repair returns the cause of a refused repair and the advice.
func Repair(r *migrator.RepairRefusal) (why, next string) {
	n := r.Statement.Number
	resume := fmt.Sprintf("run migrator %s: it resumes with statement %d", r.Run.Direction, n)
	skip := fmt.Sprintf("migrator repair --%s=%d", migrator.StatementApplied, n)
	const whole = "\nor complete the migration manually, then: migrator repair --applied\nor roll it back manually, then: migrator repair --rolled-back"
	switch r.Cause {
	case migrator.NotDirty:
		return "no migration is partially applied", "run migrator status to list the applied migrations and the version of the database"
	case migrator.RunNotRecorded:
		return "another tool marked it dirty, so the number of applied statements is unknown",
			"complete the migration or roll it back manually, then: migrator repair --applied or --rolled-back"
	case migrator.OtherStatementFailed:
		return "the statements before it are applied, and those after it have not run", "to skip the statement that stopped: " + skip + whole
	case migrator.StatementFailed:
		why, next = fmt.Sprintf("statement %d failed, so it was not applied", n), "correct it; "+resume
		if r.Resolution == migrator.StatementApplied {
			next += "\nto skip it: " + skip
		}
		return why, next + whole
	}
	if r.AllStatementsApplied() {
		resume = fmt.Sprintf("run migrator %s: it completes the migration", r.Run.Direction)
	}
	return r.Statement.Why, resume + whole
}
