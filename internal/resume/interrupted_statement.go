package resume

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/shiplock/shiplock/internal/history"
	"github.com/shiplock/shiplock/internal/postgres"
	"github.com/shiplock/shiplock/internal/script"
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
func (resumer *Resumer) InspectInterrupted(ctx context.Context, file string, open func() (io.ReadCloser, error), r history.Entry) (InterruptedStatement, error) {
	d := InterruptedStatement{Number: r.StatementsApplied + 1, Last: r.StatementsApplied + 1}
	row, err := resumer.store.ReadInterruptedRow(ctx, r)
	if err != nil {
		return d, err
	}
	var s *script.Script
	switch {
	case row.SQL != "":
		s, err = script.Load(file, strings.NewReader(row.SQL), nil)
	case open != nil:
		s, err = script.LoadFile(file, open)
	}
	if err == nil && s != nil {
		err = s.LoadStatements()
	}
	var unusable *script.ScriptError
	if err != nil && !errors.As(err, &unusable) {
		return d, err
	}
	if err != nil || s == nil {
		d.Why = "the history does not have the SQL that ran, so its statements are unknown"
		return d, nil
	}
	rest := s.RemainingBlocks(r.StatementsApplied)
	switch {
	case len(rest) == 0:
		d.Why = "all of its statements were applied"
	case r.Outcome == history.Repaired:
		d.Why = fmt.Sprintf("it was repaired: %d of its statements were applied, and statement %d has not run yet", r.StatementsApplied, d.Number)
	case r.Outcome == history.PartiallyApplied:
		block := rest[0]
		d.Failed = block.Last-block.First == 1 && !block.OpenAfter && !row.Transactional
		if !d.Failed {
			d.Why = fmt.Sprintf("the failed statement is in a transaction that starts with statement %d, and the transaction was rolled back", d.Number)
		}
	case !s.IsCountable():
		d.Why = "it changes the role, so its statements are not counted, and any number of them may have been applied"
	default:
		return d, resumer.inspectRunning(ctx, s, r, row, &d)
	}
	return d, nil
}

// inspectRunning is InspectInterrupted for a run without a recorded end.
func (resumer *Resumer) inspectRunning(ctx context.Context, s *script.Script, r history.Entry, row history.InterruptedRow, d *InterruptedStatement) error {
	block, uncertain := s.UncertainBlock(r.StatementsApplied)
	if !uncertain || row.Transactional && s.Transactional {
		d.Why = fmt.Sprintf("statement %d is counted by its own transaction, so it was not applied", d.Number)
		return nil
	}
	d.Last = block.Last
	_, err := resumer.appliedStatements(ctx, s, s, r, row)
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
func (resumer *Resumer) MarkRepaired(ctx context.Context, r history.Entry, done int, skipped bool) error {
	set := fmt.Sprintf("run_outcome = %s, statements_applied = %d", postgres.LiteralOrNull(history.Repaired), done)
	if skipped { // a statement that did not run has not changed the session
		set += fmt.Sprintf(`, session_state = CASE WHEN session_state IS NULL AND %[1]d = 1 THEN '{"done": 1}'
			WHEN (session_state::jsonb->>'done')::int = %[1]d - 1 THEN pg_catalog.jsonb_set(session_state::jsonb, '{done}', '%[1]d')::text ELSE session_state END`, done)
	}
	return resumer.store.Write(ctx, resumer.store.UpdateSQL(r.Version, set))
}
