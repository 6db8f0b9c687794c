package migrator

import (
	"fmt"

	"github.com/shiplock/shiplock/internal/history"
	"github.com/shiplock/shiplock/internal/resume"
)

// A Resolution states the actual state of a partially applied migration.
type Resolution string

// Values of Resolution.
const (
	StatementApplied    Resolution = "statement-applied"     // the statement with the unknown outcome was applied, or the failed one is to be skipped: resume after it
	StatementNotApplied Resolution = "statement-not-applied" // the statement was not applied: resume with it
	MigrationApplied    Resolution = "applied"               // the whole migration was completed manually
	MigrationRolledBack Resolution = "rolled-back"           // the whole migration was rolled back manually
)

// A RepairCause is the reason for a RepairRefusal.
type RepairCause int

// The causes.
const (
	_                     RepairCause = iota
	NotDirty                          // there is nothing to repair
	RunNotRecorded                    // the history table lacks the interrupted run
	StatementOutcomeKnown             // Statement was applied, or was not, without a failure
	StatementFailed                   // Statement failed, so it was not applied, and its number was not given
	OtherStatementFailed              // Given is not Statement, which failed
)

// A RepairRefusal is a resolution that does not match the state of the migration.
type RepairRefusal struct {
	Cause      RepairCause
	Resolution Resolution
	Version    int           // of the database, if the run is not recorded
	Run        history.Entry // the interrupted run
	Statement  resume.InterruptedStatement
	Given      int // the statement that was given, or 0
}

// Error returns the problem in one line.
func (r *RepairRefusal) Error() string {
	stopped := fmt.Sprintf("version %d stopped at statement %d of %d", r.Run.Version, r.Statement.Number, r.Run.StatementsTotal)
	if r.AllStatementsApplied() {
		stopped = fmt.Sprintf("version %d stopped after all %d statements", r.Run.Version, r.Run.StatementsTotal)
	}
	switch r.Cause {
	case NotDirty:
		return "there is nothing to repair: the database is not marked dirty"
	case RunNotRecorded:
		return fmt.Sprintf("the history table does not record the migration that was interrupted at version %d", r.Version)
	case OtherStatementFailed:
		return fmt.Sprintf("statement %d is not the one that failed: %s", r.Given, stopped)
	}
	return "no statement has an unknown outcome: " + stopped
}

// AllStatementsApplied reports whether the interrupted run only lacks its last commit.
func (r *RepairRefusal) AllStatementsApplied() bool {
	return r.Cause == StatementOutcomeKnown && r.Statement.Number > r.Run.StatementsTotal
}
