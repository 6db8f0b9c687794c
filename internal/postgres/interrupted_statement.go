package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Doubt is what is known of the statement at which a run has stopped.
type InterruptedStatement struct {
	// Number of the statement, from 1, and Last of those that are one transaction with it.
	Number, Last int
	// InDoubt says that nothing tells whether it is in effect.
	Unknown bool
	// Failed says that it failed, by itself, and is not in effect.
	Failed bool
	// Why it is neither.
	Why string
}

// Doubt finds out about the statement at which a run has stopped. open is its file
// as it is now; nil where there is none.
func (db *DB) InspectInterrupted(ctx context.Context, file string, open func() (io.ReadCloser, error), r Run) (InterruptedStatement, error) {
	d := InterruptedStatement{Number: r.StatementsApplied + 1, Last: r.StatementsApplied + 1}
	row, err := db.interruptedRow(ctx, r)
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
		d.Why = "the history does not keep the SQL that ran, so its statements cannot be told apart"
		return d, nil
	}
	rest := s.remainingBlocks(r.StatementsApplied)
	switch {
	case len(rest) == 0:
		d.Why = "all of its statements are in effect"
	case r.Outcome == RunRepaired:
		d.Why = fmt.Sprintf("that has been answered: %d of its statements are in effect, and statement %d has not run yet", r.StatementsApplied, d.Number)
	case r.Outcome == RunPartiallyApplied:
		p := rest[0]
		d.Failed = p.last-p.first == 1 && !p.openAfter && !row.transactional
		if !d.Failed {
			d.Why = fmt.Sprintf("the statement that failed is one transaction with others, from statement %d on, and all of them were rolled back", d.Number)
		}
	case !s.isCountable():
		d.Why = "it changes the role, so its statements are not counted, and any number of them may be in effect"
	default:
		return d, db.inspectRunning(ctx, s, r, row, &d)
	}
	return d, nil
}

// doubt is Doubt for a run whose end nobody has written.
func (db *DB) inspectRunning(ctx context.Context, s *Script, r Run, row interruptedRow, d *InterruptedStatement) error {
	p, uncertain := s.uncertainPart(r.StatementsApplied)
	if !uncertain || row.transactional && s.Transactional {
		d.Why = fmt.Sprintf("statement %d is counted by its own transaction, so it is known not to be in effect", d.Number)
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
		d.Why = fmt.Sprintf("the catalogs show whether statement %d is in effect", d.Number)
	}
	return err
}

// Settle writes a decision about the statement at which a run has stopped: the
// migration is resumed after done statements. skipped says that the last of them is
// counted though it did not run.
func (db *DB) MarkRepaired(ctx context.Context, r Run, done int, skipped bool) error {
	set := fmt.Sprintf("run_outcome = %s, statements_applied = %d", literalOrNull(RunRepaired), done)
	if skipped { // what did not run has not changed the session
		set += fmt.Sprintf(`, session_state = CASE WHEN session_state IS NULL AND %[1]d = 1 THEN '{"done": 1}'
			WHEN (session_state::jsonb->>'done')::int = %[1]d - 1 THEN pg_catalog.jsonb_set(session_state::jsonb, '{done}', '%[1]d')::text ELSE session_state END`, done)
	}
	return db.writeHistory(ctx, db.updateRunSQL(r.Version, set))
}
