package executor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lib/pq"

	"github.com/shiplock/shiplock/internal/history"
	"github.com/shiplock/shiplock/internal/migrationerror"
	"github.com/shiplock/shiplock/internal/postgres"
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
	// The count cannot be in the transaction of such a statement.
	ownTx := !last.IsCommit && (last.Control != script.ControlNone || alone && (last.RefusesTransaction || last.MayCommit))
	outside := ownTx || s.IsReadOnly() || s.IsSingleStatement()
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
	case outside:
		c.after = count
	case last.IsCommit:
		c.last, c.to, c.head, c.tail = block.Last-1, last.Offset, before, check+count+last.Text
	case check+count != "":
		c.head, c.tail = before, ";\n"+check+count
	}
	return c
}

// finishSQL returns the SQL after the last statement.
func (ex *Executor) finishSQL(m Migration) string {
	const clearState = ", session_state = NULL, leftover = NULL"
	return ex.resetSQL() + ex.store.WriteVersionSQL(m.To) + ex.store.UpdateSQL(m.Entry.Version, fmt.Sprintf(
		"run_outcome = %s, statements_applied = %d, run_duration = pg_catalog.make_interval(secs => %.3f)%s", postgres.LiteralOrNull(history.Applied), m.Entry.StatementsTotal, time.Since(m.Entry.Started).Seconds(), clearState))
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
