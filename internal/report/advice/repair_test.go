package advice

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/shiplock/shiplock/internal/history"
	"github.com/shiplock/shiplock/internal/migrator"
	"github.com/shiplock/shiplock/internal/rehearsal"
	"github.com/shiplock/shiplock/internal/resume"
	"github.com/shiplock/shiplock/internal/state"
)

// interrupted returns a refusal for a run that stopped at a statement of 3.
func interrupted(cause migrator.RepairCause, number int) *migrator.RepairRefusal {
	return &migrator.RepairRefusal{Cause: cause, Resolution: migrator.StatementApplied, Version: 7, Given: 9,
		Run:       history.Entry{Version: 7, Direction: "up", StatementsTotal: 3},
		Statement: resume.InterruptedStatement{Number: number, Why: "it was applied"}}
}

func TestRepair_Cause_ExplainsEachCause(t *testing.T) {
	t.Parallel()
	for cause := migrator.NotDirty; cause <= migrator.OtherStatementFailed; cause++ {
		refusal := interrupted(cause, 2)
		why, next := Repair(refusal)
		assert.NotEmpty(t, why, refusal.Error())
		assert.NotEmpty(t, next, refusal.Error())
	}
	_, next := Repair(interrupted(migrator.StatementFailed, 2))
	assert.Contains(t, next, "migrator repair --statement-applied=2")
	last := interrupted(migrator.StatementOutcomeKnown, 4)
	assert.Equal(t, "no statement has an unknown outcome: version 7 stopped after all 3 statements", last.Error())
	_, next = Repair(last)
	assert.Contains(t, next, "run migrator up: it completes the migration")
}

func TestRehearsal_Cause_ExplainsEachCause(t *testing.T) {
	t.Parallel()
	for cause := rehearsal.UnknownBaseline; cause <= rehearsal.OtherNewestRecorded; cause++ {
		refusal := &rehearsal.Refusal{Cause: cause}
		why, next := Rehearsal(refusal)
		assert.NotEmpty(t, why, refusal.Error())
		assert.NotEmpty(t, next, refusal.Error())
		assert.NotEqual(t, "refused", refusal.Error())
	}
}

func TestEmptyTable_Evidence_Explained(t *testing.T) {
	t.Parallel()
	var texts []string
	for _, e := range []state.EmptyTableError{{Newest: 3, Missing: true}, {Newest: 3, Object: "relation guests"}, {Newest: 3}} {
		why, next := EmptyTable(&e)
		assert.NotContains(t, texts, why)
		assert.Contains(t, next, "migrator baseline --version 3 ")
		texts = append(texts, why)
	}
}
