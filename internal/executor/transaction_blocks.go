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

// countSQL returns the SQL that records the applied statements after a block, including the session
// state if the block is not inside a transaction of the file, whose settings may be local to it.
// plain records only the number.
func (ex *Executor) countSQL(m Migration, block script.TxBlock, outside bool) (sql, plain string) {
	set := fmt.Sprintf("statements_applied = %d", block.Last)
	if outside {
		set += ", leftover = NULL"
	}
	plain = ex.store.UpdateSQL(m.Entry.Version, set)
	if !outside || !ex.resumer.StoresSessionState() || !m.Script.IsCountable() || block.OpenAfter || block.Last == len(m.Script.Statements) {
		return plain, ""
	}
	m.trace.Follow(m.Script, block.Last)
	return ex.store.UpdateSQL(m.Entry.Version, set+", session_state = "+ex.resumer.SessionQuery(m.trace, block.Last)), plain
}

// sessionStateSQL returns the SQL that stores the session state after done statements, unless it is
// already stored.
func (ex *Executor) sessionStateSQL(m Migration, done int) string {
	if done == 0 || !ex.resumer.StoresSessionState() || !m.Script.IsCountable() || m.trace.Captured == done {
		return ""
	}
	m.trace.Follow(m.Script, done)
	return ex.store.UpdateSQL(m.Entry.Version, "session_state = "+ex.resumer.SessionQuery(m.trace, done))
}

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

// finishSQL returns the SQL after the last statement.
func (ex *Executor) finishSQL(m Migration) string {
	const clearState = ", session_state = NULL, leftover = NULL"
	return ex.resetSQL() + ex.store.WriteVersionSQL(m.To) + ex.store.UpdateSQL(m.Entry.Version, fmt.Sprintf(
		"run_outcome = %s, statements_applied = %d, run_duration = pg_catalog.make_interval(secs => %.3f)%s", postgres.LiteralOrNull(history.Applied), m.Entry.StatementsTotal, time.Since(m.Entry.Started).Seconds(), clearState))
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

// ignoreServerError ignores a server error of the query for the session state: a run that is
// interrupted here is resumed with the state that the statements alone determine.
func (ex *Executor) ignoreServerError(ctx context.Context, err error) error {
	var server *pq.Error
	if err == nil || !errors.As(err, &server) || postgres.IsLostError(err) {
		return err
	}
	ex.log.Debug("could not read the session state", "error", err)
	return ex.session.Rollback(ctx, "")
}

// countAfter counts a statement that was completed by another statement.
func (ex *Executor) countAfter(ctx context.Context, m Migration, block script.TxBlock, c statementCounting) *migrationerror.Error {
	if c.after == "" {
		return nil
	}
	fail := migrationerror.Wrap(m.Script, ex.session.Exec(ctx, c.after))
	if fail != nil {
		fail.Outcome, fail.FailedIndex = migrationerror.PartiallyApplied, block.First
	}
	return fail
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

// A statementCounting is the SQL by which the history counts the statements of a block.
type statementCounting struct {
	head         string // before the block
	last, to     int    // end of the block's own statements, as arguments of batches
	tail         string // after the block, in the same query
	after        string // after the block, in a separate query
	withoutState string // after without the session state; empty if it has none
}

// countBlock adds the history's count to a block: before the COMMIT that ends it, or after the
// statements of its implicit transaction. A statement that refuses a transaction, or commits by
// itself, is counted by a separate query after it. A COPY outside of a transaction gets one.
func (ex *Executor) countBlock(m Migration, block script.TxBlock) statementCounting {
	s, last := m.Script, m.Script.Statements[block.Last-1]
	c := statementCounting{last: block.Last, to: last.Offset + len(last.Text)}
	alone := block.Last-block.First == 1
	outside := s.IsReadOnly() || s.IsSingleStatement() || !last.IsCommit && (alone && (last.RefusesTransaction || last.MayCommit) || last.Control != script.ControlNone)
	count, plain := ex.countSQL(m, block, outside)
	c.withoutState = plain
	before, check := s.TitleComment()+ex.losses.BaselineSQL(), ex.losses.CheckSQL()
	if check == "" {
		before = ""
	}
	switch {
	case block.OpenAfter && check != "" && last.Control == script.ControlNone && !last.SetsTransaction && !s.HasCopyData(last):
		c.head, c.tail = before, ";\n"+check
	case block.OpenAfter:
	case m.Resume && s.Transactional: // the file was changed to be one transaction
		c.head, c.tail = s.TitleComment()+s.Begin+";\n"+ex.losses.BaselineSQL(), ";\n"+ex.session.CheckConstraintsSQL(false)+check+ex.finishSQL(m)+"COMMIT"
	case alone && s.HasCopyData(last) && !s.InTransaction(block.First):
		c.head, c.after = "BEGIN;\n", count+"COMMIT"
		if !s.IsCountable() {
			c.after = "COMMIT"
		}
	case !s.IsCountable():
	case s.IsReadOnly(), s.IsSingleStatement():
		c.after = count
	case last.IsCommit:
		c.last, c.to, c.head, c.tail = block.Last-1, last.Offset, before, check+count+last.Text
	case alone && (last.RefusesTransaction || last.MayCommit), last.Control != script.ControlNone:
		c.after = count
	case check+count != "":
		c.head, c.tail = before, ";\n"+check+count
	}
	return c
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

// countStoppedSQL returns the SET items of an UPDATE that count the statements of a stopped script
// that changes the role. The role may lack privileges on the history table, but the session still
// has the state that the statements left.
func (ex *Executor) countStoppedSQL(ctx context.Context, m Migration, done int) string {
	set := fmt.Sprintf(", statements_applied = %d", done)
	if !ex.resumer.StoresSessionState() {
		return set
	}
	m.trace.Follow(m.Script, done)
	var state string
	if err := ex.session.Rollback(ctx, ""); err != nil {
		return set
	}
	if err := ex.session.QueryRow(ctx, "SELECT "+ex.resumer.SessionQuery(m.trace, done)).Scan(&state); err != nil {
		ex.log.Debug("could not read the session state", "error", err)
		return set
	}
	return set + ", session_state = " + postgres.LiteralOrNull(state)
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
