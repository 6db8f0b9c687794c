package executor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/lib/pq"

	"github.com/shiplock/shiplock/internal/history"
	"github.com/shiplock/shiplock/internal/migrationerror"
	"github.com/shiplock/shiplock/internal/postgres"
	"github.com/shiplock/shiplock/internal/resume"
	"github.com/shiplock/shiplock/internal/script"
)

// runBlocks sends a script that cannot be one transaction block by block. Meanwhile the version is
// marked dirty, and the history counts the applied statements, in the block's own transaction if it
// has one.
func (ex *Executor) runBlocks(ctx context.Context, m Migration) *migrationerror.Error {
	s := m.Script
	if fail := ex.checkSyntax(ctx, s); fail != nil {
		if m.Resume {
			fail.Outcome, fail.StatementsApplied = migrationerror.PartiallyApplied, m.Entry.StatementsApplied
		}
		return fail
	}
	m.Entry.Outcome = history.Running
	m.trace = &resume.SessionTrace{Captured: -1}
	begin := ex.store.WriteVersionSQL(history.State{Version: m.To.Version, Dirty: true})
	if m.Resume {
		begin += ex.store.UpdateSQL(m.Entry.Version, fmt.Sprintf("run_outcome = %s, run_error = NULL, run_transactional = %t, statements_applied = %d, statements_total = %d, up_checksum = %s, up_sql = %s, down_sql = %s",
			postgres.LiteralOrNull(history.Running), s.Transactional, m.Entry.StatementsApplied, m.Entry.StatementsTotal, postgres.LiteralOrNull(m.Entry.Checksum), postgres.LiteralOrNull(m.Entry.UpSQL), m.Entry.DownLiteral())+", files_digest = NULL"+ex.store.UpdateStoredSQL(m.Entry))
	} else {
		begin += ex.store.InsertSQL(m.Entry)
		if ex.resumer.StoresSessionState() && s.IsCountable() {
			begin += ex.store.UpdateSQL(m.Entry.Version, `session_state = '{"done": 0}'`)
		}
	}
	begin = ex.session.ReplaceUnencodable(begin)
	if m.Resume {
		if fail := ex.resumeRun(ctx, m, begin); fail != nil {
			return fail
		}
	} else if err := ex.store.ExecWithSequenceRepair(ctx, begin); err != nil {
		fail := migrationerror.Wrap(s, err)
		fail.RecordingFailed = fail.Server() != nil
		return fail
	}
	ex.store.VersionTableExists, ex.store.HistoryExists = true, !ex.store.HistoryUnavailable
	done, open := m.Entry.StatementsApplied, false
	for _, block := range s.RemainingBlocks(m.Entry.StatementsApplied) {
		block.OpenBefore = open
		var lookup *resume.LeftoverLookup
		var fail *migrationerror.Error
		if open { // a failure rolls back the earlier blocks of the transaction
			lookup, fail = ex.runBlock(ctx, m, block)
		} else {
			for r := ex.newRetrier(); r.next(ctx, fail); {
				lookup, fail = ex.runBlock(ctx, m, block)
			}
		}
		if fail != nil {
			fail.StatementsApplied = done
			return ex.recordFailure(ctx, m, lookup, fail)
		}
		open = block.OpenAfter
		if !block.OpenAfter {
			done = block.Last
		}
	}
	if m.Resume && s.Transactional && m.Entry.StatementsApplied < len(s.Statements) {
		return nil // the block included the end of the script
	}
	if err := ex.session.Exec(ctx, postgres.BeginReadWrite+ex.finishSQL(m)+"COMMIT"); err != nil {
		fail := &migrationerror.Error{Script: s, FailedIndex: -1, StatementsApplied: done, Outcome: migrationerror.PartiallyApplied, Err: err, Offset: -1}
		fail.RecordingFailed = fail.Server() != nil
		return fail
	}
	return nil
}

// resumeRun prepares the session to continue an interrupted run of the migration: it removes the
// leftovers of the last statement, and restores the session state.
func (ex *Executor) resumeRun(ctx context.Context, m Migration, begin string) *migrationerror.Error {
	s := m.Script
	row, err := ex.store.ReadInterruptedRow(ctx, m.Entry)
	restore := ""
	if err == nil {
		restore, err = ex.resumer.SessionAt(ctx, s, m.Entry, row, m.Entry.StatementsApplied)
	}
	if err == nil {
		err = ex.resumer.DropEarlierLeftovers(ctx, resume.StoredLookup(row), s, m.Entry.StatementsApplied)
	}
	if err == nil {
		err = ex.session.Exec(ctx, begin+restore)
	}
	if err == nil {
		return nil
	}
	fail := migrationerror.Wrap(s, err)
	fail.Outcome, fail.StatementsApplied = migrationerror.PartiallyApplied, m.Entry.StatementsApplied
	if t := resume.StoredLookup(row); t != nil && fail.Server() != nil {
		fail.Leftovers, _ = ex.resumer.FindLeftovers(ctx, t)
	}
	return fail
}

// runBlock runs one block and counts its statements. It returns the lookup for the leftovers of a
// failed statement, or nil.
func (ex *Executor) runBlock(ctx context.Context, m Migration, block script.TxBlock) (*resume.LeftoverLookup, *migrationerror.Error) {
	s := m.Script
	first := s.Statements[block.First]
	c := ex.countBlock(m, block)
	t, err := ex.prepareBlock(ctx, m, block)
	if err == nil && t != nil && t.Kind == resume.LeftoverDetach {
		var finished bool
		if finished, err = ex.finishDetach(ctx, t); finished && err == nil {
			return nil, ex.countAfter(ctx, m, block, c)
		}
	}
	fail := migrationerror.Wrap(s, err)
	if err == nil {
		fail = ex.sendBlock(ctx, s, block, c)
	}
	if fail != nil && err == nil && c.tail != "" && block.Last-block.First == 1 && !block.OpenBefore && !block.OpenAfter && requiresNoTransaction(fail.Err) {
		// The statement refuses a transaction because of its object, such as REINDEX of a
		// partitioned table, which the parser cannot see; with the count it was a transaction.
		count, plain := ex.countSQL(m, block, true)
		c = statementCounting{last: block.Last, to: first.Offset + len(first.Text), after: count, withoutState: plain}
		fail = ex.sendBlock(ctx, s, block, c)
	}
	if fail == nil {
		if c.withoutState != "" {
			m.trace.Captured = block.Last
		}
		return nil, nil
	}
	fail.Outcome = migrationerror.PartiallyApplied
	if block.Last-block.First == 1 || err != nil {
		fail.FailedIndex = block.First
	}
	if block.Last-block.First == 1 && first.MayCommit {
		fail.Outcome = migrationerror.Unknown // it may have committed before it failed
	}
	if t != nil && err == nil && fail.Server() != nil && ctx.Err() == nil {
		if done := ex.finishAfterFailure(ctx, t, fail); done {
			return nil, ex.countAfter(ctx, m, block, c)
		}
	}
	return t, fail
}

// prepareBlock prepares the session for a block: it writes the session state to the history, if it
// is not written yet, and the lookup for the leftovers of a statement.
func (ex *Executor) prepareBlock(ctx context.Context, m Migration, block script.TxBlock) (*resume.LeftoverLookup, error) {
	first, capture := m.Script.Statements[block.First], ""
	if !block.OpenBefore {
		capture = ex.sessionStateSQL(m, block.First)
	}
	err := ex.setTimeouts(ctx, m.Script, block, capture)
	if capture != "" {
		m.trace.Captured = block.First
		if err != nil {
			if err = ex.ignoreServerError(ctx, err); err == nil {
				err = ex.setTimeouts(ctx, m.Script, block, "")
			}
		}
	}
	if err != nil {
		return nil, err
	}
	if err := ex.dropInvalidIndex(ctx, first); err != nil || !first.RefusesTransaction {
		return nil, err
	}
	t, err := ex.resumer.LeftoverLookupFor(ctx, first, block.First+1)
	if err != nil || t == nil || ex.store.HistoryUnavailable || !m.Script.IsCountable() {
		return t, err
	}
	text, err := json.Marshal(t)
	if err != nil {
		return nil, err
	}
	return t, ex.session.Exec(ctx, ex.store.UpdateSQL(m.Entry.Version, "leftover = "+postgres.LiteralOrNull(string(text))))
}

// finishDetach completes a detach that an earlier attempt started, and reports whether there was
// one.
func (ex *Executor) finishDetach(ctx context.Context, t *resume.LeftoverLookup) (bool, error) {
	left, err := ex.resumer.FindLeftovers(ctx, t)
	if err != nil || len(left) == 0 {
		return false, err
	}
	ex.log.Info("completing the detach of an earlier attempt", "statement", left[0].SQL)
	return true, ex.session.Exec(ctx, left[0].SQL)
}

// finishAfterFailure removes the leftovers of a failed statement. It reports whether the statement
// is applied now, because a started drop or detach was completed.
func (ex *Executor) finishAfterFailure(ctx context.Context, t *resume.LeftoverLookup, fail *migrationerror.Error) (done bool) {
	before, err := ex.resumer.FindLeftovers(ctx, t)
	if err == nil && len(before) > 0 {
		fail.Leftovers, err = ex.resumer.DropLeftovers(ctx, t)
	}
	if err != nil {
		ex.log.Debug("could not remove leftovers", "error", err)
		if fail.Leftovers == nil {
			fail.Leftovers = before
		}
	}
	return len(before) > 0 && len(fail.Leftovers) == 0 && err == nil && (t.Kind == resume.LeftoverDrop || t.Kind == resume.LeftoverDetach)
}

// sendBlock sends a block with its count.
func (ex *Executor) sendBlock(ctx context.Context, s *script.Script, block script.TxBlock, c statementCounting) *migrationerror.Error {
	head, tail := c.head, c.tail
	batches := s.Batches(block.First, c.last, s.Statements[block.First].Offset, c.to)
	for i, b := range batches {
		end := ""
		if i == len(batches)-1 && b.CopyRows == nil {
			end, tail = tail, ""
		}
		if fail := ex.sender.Send(ctx, head, b, end); fail != nil {
			return fail
		}
		head = ""
	}
	for _, query := range []string{tail, c.after} {
		if query == "" {
			continue
		}
		err := ex.session.Exec(ctx, query)
		if err != nil && c.withoutState != "" && ex.ignoreServerError(ctx, err) == nil {
			err = ex.session.Exec(ctx, c.withoutState)
		}
		if err != nil {
			fail := migrationerror.Wrap(s, err)
			fail.FailedIndex = block.Last - 1
			return fail
		}
	}
	return nil
}

// recordFailure clears the dirty mark if the server reported that the first block failed: nothing
// was applied. Otherwise the mark stays, and the history has the number of applied statements.
func (ex *Executor) recordFailure(ctx context.Context, m Migration, lookup *resume.LeftoverLookup, fail *migrationerror.Error) *migrationerror.Error {
	fail.FindPosition()
	var server *pq.Error
	if !errors.As(fail.Err, &server) {
		fail.Outcome = migrationerror.Unknown // the failed block may have committed before the connection was lost
		note := ex.store.UpdateSQL(m.Entry.Version, "run_error = "+postgres.LiteralOrNull(m.setFile(fail).Error()))
		if lookup != nil {
			fail.Leftovers = ex.dropLeftoversAfterStop(ctx, lookup, note)
			return fail
		}
		ex.recordBestEffort(ctx, note)
		return fail
	}
	set := ""
	if !m.Script.IsCountable() && fail.StatementsApplied > 0 {
		set = ex.countStoppedSQL(ctx, m, fail.StatementsApplied)
	}
	back := ex.resetSQL()
	outcome := history.PartiallyApplied
	switch {
	case fail.Outcome == migrationerror.Unknown:
		outcome = history.Running
	case fail.StatementsApplied == 0 && len(fail.Leftovers) == 0:
		fail.Outcome, outcome = migrationerror.RolledBack, history.Failed
		back += ex.store.WriteVersionSQL(m.From)
	}
	if len(fail.Leftovers) == 0 {
		set += ", leftover = NULL"
	}
	back += ex.store.UpdateSQL(m.Entry.Version, fmt.Sprintf("run_outcome = %s, run_error = %s, run_duration = make_interval(secs => %.3f)%s",
		postgres.LiteralOrNull(outcome), postgres.LiteralOrNull(m.setFile(fail).Error()), time.Since(m.Entry.Started).Seconds(), set))
	if err := ex.session.Rollback(ctx, back); err != nil {
		fail.Err = errors.Join(fail.Err, err)
		fail.Outcome = migrationerror.Unknown
	}
	return fail
}

// dropInvalidIndex drops the invalid index that a failed CREATE INDEX CONCURRENTLY left under the
// same name: with IF NOT EXISTS the statement would skip it, and without it would fail.
func (ex *Executor) dropInvalidIndex(ctx context.Context, st script.Statement) error {
	if st.Concurrent == nil || st.Concurrent.Idxname == "" {
		return nil
	}
	index, valid, err := ex.resumer.FindIndex(ctx, st.Concurrent)
	if err != nil || index == "" || valid {
		return err
	}
	ex.log.Info("dropping invalid index of an earlier attempt", "index", index)
	return ex.session.Exec(ctx, "DROP INDEX CONCURRENTLY "+index)
}
