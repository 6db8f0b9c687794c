package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
)

// An InterruptedStatement describes the statement at which a run stopped.
type InterruptedStatement struct {
	// Number is the statement's number, from 1. Last is the number of the last statement in the
	// same transaction.
	Number, Last int
	// Unknown is set if it is unknown whether the statement was applied.
	Unknown bool
	// Failed is set if the statement failed in a transaction of its own and was not applied.
	Failed bool
	// Why is the reason if neither is set.
	Why string
}

// InspectInterrupted returns the statement at which a run stopped. open opens the current file;
// nil if there is none.
func (db *DB) InspectInterrupted(ctx context.Context, file string, open func() (io.ReadCloser, error), r Run) (InterruptedStatement, error) {
	d := InterruptedStatement{Number: r.StatementsApplied + 1, Last: r.StatementsApplied + 1}
	row, err := db.readInterruptedRow(ctx, r)
	if err != nil {
		return d, err
	}
	var s *Script
	switch {
	case row.sql != "":
		s, err = load(file, strings.NewReader(row.sql), nil)
	case open != nil:
		s, err = loadFile(file, open)
	}
	if err == nil && s != nil {
		err = s.loadStatements()
	}
	var unusable *ScriptError
	if err != nil && !errors.As(err, &unusable) {
		return d, err
	}
	if err != nil || s == nil {
		d.Why = "the history does not have the SQL that ran, so its statements are unknown"
		return d, nil
	}
	rest := s.remainingBlocks(r.StatementsApplied)
	switch {
	case len(rest) == 0:
		d.Why = "all of its statements were applied"
	case r.Outcome == RunRepaired:
		d.Why = fmt.Sprintf("it was repaired: %d of its statements were applied, and statement %d has not run yet", r.StatementsApplied, d.Number)
	case r.Outcome == RunPartiallyApplied:
		p := rest[0]
		d.Failed = p.last-p.first == 1 && !p.openAfter && !row.transactional
		if !d.Failed {
			d.Why = fmt.Sprintf("the failed statement is in a transaction that starts with statement %d, and the transaction was rolled back", d.Number)
		}
	case !s.isCountable():
		d.Why = "it changes the role, so its statements are not counted, and any number of them may have been applied"
	default:
		return d, db.inspectRunning(ctx, s, r, row, &d)
	}
	return d, nil
}

// inspectRunning is InspectInterrupted for a run without a recorded end.
func (db *DB) inspectRunning(ctx context.Context, s *Script, r Run, row interruptedRow, d *InterruptedStatement) error {
	p, uncertain := s.uncertainBlock(r.StatementsApplied)
	if !uncertain || row.transactional && s.Transactional {
		d.Why = fmt.Sprintf("statement %d is counted by its own transaction, so it was not applied", d.Number)
		return nil
	}
	d.Last = p.last
	_, err := db.appliedStatements(ctx, s, s, r, row)
	var (
		unprovable *UnknownOutcomeError
		state      *SessionStateError
	)
	switch {
	case errors.As(err, &unprovable), errors.As(err, &state):
		d.Unknown = true
		return nil
	case err == nil:
		d.Why = fmt.Sprintf("the catalogs show whether statement %d was applied", d.Number)
	}
	return err
}

// MarkRepaired records the decision on the statement at which a run stopped: the migration resumes
// after done statements. skipped means that the last of them counts as applied but did not run.
func (db *DB) MarkRepaired(ctx context.Context, r Run, done int, skipped bool) error {
	set := fmt.Sprintf("run_outcome = %s, statements_applied = %d", literalOrNull(RunRepaired), done)
	if skipped { // a statement that did not run has not changed the session
		set += fmt.Sprintf(`, session_state = CASE WHEN session_state IS NULL AND %[1]d = 1 THEN '{"done": 1}'
			WHEN (session_state::jsonb->>'done')::int = %[1]d - 1 THEN pg_catalog.jsonb_set(session_state::jsonb, '{done}', '%[1]d')::text ELSE session_state END`, done)
	}
	return db.writeHistory(ctx, db.updateRunSQL(r.Version, set))
}
