package postgres

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lib/pq"
	pgquery "github.com/pganalyze/pg_query_go/v6"
)

// A txBlock is a transaction block: the statements that are sent as one query of a script that is
// not one transaction.
type txBlock struct {
	first, last int  // statements [first, last)
	openAfter   bool // a transaction is open after the block
	openBefore  bool // a transaction is open before the block
}

// txBlocks splits a script after the end of each of its transactions. Statements outside of them
// form an implicit transaction with the statements up to the next end, as when the whole file is
// one query. In an Autocommit script each statement is a block.
func (s *Script) txBlocks() []txBlock {
	var out []txBlock
	first, open := 0, false
	for i, st := range s.Statements {
		switch st.control {
		case controlBegin:
			open = true
		case controlEnd:
			open = false
		}
		if s.Autocommit || st.control == controlEnd || st.control == controlChain || i == len(s.Statements)-1 {
			out = append(out, txBlock{first: first, last: i + 1, openAfter: open})
			first = i + 1
		}
	}
	return out
}

// runBlocks sends a script that cannot be one transaction block by block. Meanwhile the version is
// marked dirty, and the history counts the applied statements, in the block's own transaction if it
// has one.
func (db *DB) runBlocks(ctx context.Context, m migration) *MigrationError {
	s := m.script
	if fail := db.checkSyntax(ctx, s); fail != nil {
		if m.resume {
			fail.Outcome, fail.StatementsApplied = PartiallyApplied, m.run.StatementsApplied
		}
		return fail
	}
	m.run.Outcome = RunRunning
	m.trace = &sessionTrace{captured: -1}
	begin := db.writeVersionSQL(State{Version: m.to.Version, Dirty: true})
	if m.resume {
		begin += db.updateRunSQL(m.run.Version, fmt.Sprintf("run_outcome = %s, run_error = NULL, run_transactional = %t, statements_applied = %d, statements_total = %d, up_checksum = %s, up_sql = %s, down_sql = %s",
			literalOrNull(RunRunning), s.Transactional, m.run.StatementsApplied, m.run.StatementsTotal, literalOrNull(m.run.Checksum), literalOrNull(m.run.upSQL), m.run.downLiteral())+", files_digest = NULL"+db.updateStoredSQL(m.run))
	} else {
		begin += db.insertRunSQL(m.run)
		if db.storesSessionState() && s.isCountable() {
			begin += db.updateRunSQL(m.run.Version, `session_state = '{"done": 0}'`)
		}
	}
	begin = db.replaceUnencodable(begin)
	if m.resume {
		if fail := db.resumeRun(ctx, m, begin); fail != nil {
			return fail
		}
	} else if err := db.execWithSequenceRepair(ctx, begin); err != nil {
		fail := asMigrationError(s, err)
		fail.RecordingFailed = fail.Server() != nil
		return fail
	}
	db.versionTableExists, db.historyExists = true, !db.historyUnavailable
	done, open := m.run.StatementsApplied, false
	for _, p := range s.remainingBlocks(m.run.StatementsApplied) {
		p.openBefore = open
		attempt := func() *MigrationError { return db.runBlock(ctx, m, p) }
		fail := func() *MigrationError {
			if open { // a failure rolls back the earlier blocks of the transaction
				return attempt()
			}
			return db.retryOnLockTimeout(ctx, attempt)
		}()
		if fail != nil {
			fail.StatementsApplied = done
			return db.recordFailure(ctx, m, fail)
		}
		open = p.openAfter
		if !p.openAfter {
			done = p.last
		}
	}
	if m.resume && s.Transactional && m.run.StatementsApplied < len(s.Statements) {
		return nil // the block included the end of the script
	}
	if err := db.exec(ctx, beginReadWrite+db.finishSQL(m)+"COMMIT"); err != nil {
		fail := &MigrationError{Script: s, FailedIndex: -1, StatementsApplied: done, Outcome: PartiallyApplied, Err: err, Offset: -1}
		fail.RecordingFailed = fail.Server() != nil
		return fail
	}
	return nil
}

// finishSQL returns the SQL after the last statement.
func (db *DB) finishSQL(m migration) string {
	const clearState = ", session_state = NULL, leftover = NULL"
	return db.resetSQL() + db.writeVersionSQL(m.to) + db.updateRunSQL(m.run.Version, fmt.Sprintf(
		"run_outcome = %s, statements_applied = %d, run_duration = pg_catalog.make_interval(secs => %.3f)%s", literalOrNull(RunApplied), m.run.StatementsTotal, time.Since(m.run.Started).Seconds(), clearState))
}

// resumeRun prepares the session to continue an interrupted run of the migration: it removes the
// leftovers of the last statement, and restores the session state.
func (db *DB) resumeRun(ctx context.Context, m migration, begin string) *MigrationError {
	s := m.script
	row, err := db.readInterruptedRow(ctx, m.run)
	restore := ""
	if err == nil {
		restore, err = db.sessionAt(ctx, s, m.run, row, m.run.StatementsApplied)
	}
	if err == nil {
		err = db.dropEarlierLeftovers(ctx, storedLookup(row), s, m.run.StatementsApplied)
	}
	if err == nil {
		err = db.exec(ctx, begin+restore)
	}
	if err == nil {
		return nil
	}
	fail := asMigrationError(s, err)
	fail.Outcome, fail.StatementsApplied = PartiallyApplied, m.run.StatementsApplied
	if t := storedLookup(row); t != nil && fail.Server() != nil {
		fail.Leftovers, _ = db.findLeftovers(ctx, t)
	}
	return fail
}

// remainingBlocks returns the blocks after the first done statements; one block for a script that
// was changed to be one transaction.
func (s *Script) remainingBlocks(done int) []txBlock {
	var out []txBlock
	for _, p := range s.txBlocks() {
		if p.last > done {
			p.first = max(p.first, done)
			out = append(out, p)
		}
	}
	return out
}

// runBlock runs one block and counts its statements.
func (db *DB) runBlock(ctx context.Context, m migration, p txBlock) *MigrationError {
	s := m.script
	first := s.Statements[p.first]
	c := db.countBlock(m, p)
	t, err := db.prepareBlock(ctx, m, p)
	if err == nil && t != nil && t.Kind == leftoverDetach {
		var finished bool
		if finished, err = db.finishDetach(ctx, t); finished && err == nil {
			return db.countAfter(ctx, m, p, c)
		}
	}
	fail := asMigrationError(s, err)
	if err == nil {
		fail = db.sendBlock(ctx, s, p, c)
	}
	if fail != nil && err == nil && c.tail != "" && p.last-p.first == 1 && !p.openBefore && !p.openAfter && requiresNoTransaction(fail.Err) {
		// The statement refuses a transaction because of its object, such as REINDEX of a
		// partitioned table, which the parser cannot see; with the count it was a transaction.
		count, plain := db.countSQL(m, p, true)
		c = statementCounting{last: p.last, to: first.Offset + len(first.Text), after: count, withoutState: plain}
		fail = db.sendBlock(ctx, s, p, c)
	}
	if fail == nil {
		if c.withoutState != "" {
			m.trace.captured = p.last
		}
		return nil
	}
	fail.Outcome, fail.lookup = PartiallyApplied, t
	if p.last-p.first == 1 || err != nil {
		fail.FailedIndex = p.first
	}
	if p.last-p.first == 1 && first.mayCommit {
		fail.Outcome = Unknown // it may have committed before it failed
	}
	if t != nil && err == nil && fail.Server() != nil && ctx.Err() == nil {
		if done := db.finishAfterFailure(ctx, t, fail); done {
			return db.countAfter(ctx, m, p, c)
		}
	}
	return fail
}

// ignoreServerError ignores a server error of the query for the session state: a run that is
// interrupted here is resumed with the state that the statements alone determine.
func (db *DB) ignoreServerError(ctx context.Context, err error) error {
	var server *pq.Error
	if err == nil || !errors.As(err, &server) || isLostError(err) {
		return err
	}
	db.log.Debug("could not read the session state", "error", err)
	return db.rollback(ctx, "")
}

// countAfter counts a statement that was completed by another statement.
func (db *DB) countAfter(ctx context.Context, m migration, p txBlock, c statementCounting) *MigrationError {
	if c.after == "" {
		return nil
	}
	fail := asMigrationError(m.script, db.exec(ctx, c.after))
	if fail != nil {
		fail.Outcome, fail.FailedIndex = PartiallyApplied, p.first
	}
	return fail
}

// prepareBlock prepares the session for a block: it writes the session state to the history, if it
// is not written yet, and the lookup for the leftovers of a statement.
func (db *DB) prepareBlock(ctx context.Context, m migration, p txBlock) (*leftoverLookup, error) {
	first, capture := m.script.Statements[p.first], ""
	if !p.openBefore {
		capture = db.sessionStateSQL(m, p.first)
	}
	err := db.setTimeouts(ctx, m.script, p, capture)
	if capture != "" {
		m.trace.captured = p.first
		if err != nil {
			if err = db.ignoreServerError(ctx, err); err == nil {
				err = db.setTimeouts(ctx, m.script, p, "")
			}
		}
	}
	if err != nil {
		return nil, err
	}
	if err := db.dropInvalidIndex(ctx, first); err != nil || !first.refusesTransaction {
		return nil, err
	}
	t, err := db.leftoverLookupFor(ctx, first, p.first+1)
	if err != nil || t == nil || db.historyUnavailable || !m.script.isCountable() {
		return t, err
	}
	text, err := json.Marshal(t)
	if err != nil {
		return nil, err
	}
	return t, db.exec(ctx, db.updateRunSQL(m.run.Version, "leftover = "+literalOrNull(string(text))))
}

// finishDetach completes a detach that an earlier attempt started, and reports whether there was
// one.
func (db *DB) finishDetach(ctx context.Context, t *leftoverLookup) (bool, error) {
	left, err := db.findLeftovers(ctx, t)
	if err != nil || len(left) == 0 {
		return false, err
	}
	db.log.Info("completing the detach of an earlier attempt", "statement", left[0].SQL)
	return true, db.exec(ctx, left[0].SQL)
}

// finishAfterFailure removes the leftovers of a failed statement. It reports whether the statement
// is applied now, because a started drop or detach was completed.
func (db *DB) finishAfterFailure(ctx context.Context, t *leftoverLookup, fail *MigrationError) (done bool) {
	before, err := db.findLeftovers(ctx, t)
	if err == nil && len(before) > 0 {
		fail.Leftovers, err = db.dropLeftovers(ctx, t)
	}
	if err != nil {
		db.log.Debug("could not remove leftovers", "error", err)
		if fail.Leftovers == nil {
			fail.Leftovers = before
		}
	}
	return len(before) > 0 && len(fail.Leftovers) == 0 && err == nil && (t.Kind == leftoverDrop || t.Kind == leftoverDetach)
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
func (db *DB) countBlock(m migration, p txBlock) statementCounting {
	s, last := m.script, m.script.Statements[p.last-1]
	c := statementCounting{last: p.last, to: last.Offset + len(last.Text)}
	alone := p.last-p.first == 1
	outside := s.isReadOnly() || s.isSingleStatement() || !last.isCommit && (alone && (last.refusesTransaction || last.mayCommit) || last.control != controlNone)
	count, plain := db.countSQL(m, p, outside)
	c.withoutState = plain
	before, check := s.titleComment()+db.lossBaselineSQL(), db.lossCheckSQL()
	if check == "" {
		before = ""
	}
	switch {
	case p.openAfter && check != "" && last.control == controlNone && !last.setsTransaction && !s.hasCopyData(last):
		c.head, c.tail = before, ";\n"+check
	case p.openAfter:
	case m.resume && s.Transactional: // the file was changed to be one transaction
		c.head, c.tail = s.titleComment()+s.Begin+";\n"+db.lossBaselineSQL(), ";\n"+db.checkConstraintsSQL(false)+check+db.finishSQL(m)+"COMMIT"
	case alone && s.hasCopyData(last) && !s.inTransaction(p.first):
		c.head, c.after = "BEGIN;\n", count+"COMMIT"
		if !s.isCountable() {
			c.after = "COMMIT"
		}
	case !s.isCountable():
	case s.isReadOnly(), s.isSingleStatement():
		c.after = count
	case last.isCommit:
		c.last, c.to, c.head, c.tail = p.last-1, last.Offset, before, check+count+last.Text
	case alone && (last.refusesTransaction || last.mayCommit), last.control != controlNone:
		c.after = count
	case check+count != "":
		c.head, c.tail = before, ";\n"+check+count
	}
	return c
}

// sendBlock sends a block with its count.
func (db *DB) sendBlock(ctx context.Context, s *Script, p txBlock, c statementCounting) *MigrationError {
	head, tail := c.head, c.tail
	portions := s.batches(p.first, c.last, s.Statements[p.first].Offset, c.to)
	for i, q := range portions {
		end := ""
		if i == len(portions)-1 && q.copyRows == nil {
			end, tail = tail, ""
		}
		if fail := db.sendBatch(ctx, head, q, end); fail != nil {
			return fail
		}
		head = ""
	}
	for _, query := range []string{tail, c.after} {
		if query == "" {
			continue
		}
		err := db.exec(ctx, query)
		if err != nil && c.withoutState != "" && db.ignoreServerError(ctx, err) == nil {
			err = db.exec(ctx, c.withoutState)
		}
		if err != nil {
			fail := asMigrationError(s, err)
			fail.FailedIndex = p.last - 1
			return fail
		}
	}
	return nil
}

// isSingleStatement reports whether the script is a single statement that was sent in a transaction
// and turned out to refuse one; see apply.
func (s *Script) isSingleStatement() bool { return s.Transactional && len(s.Statements) == 1 }

// isReadOnly reports whether the script has a read-only transaction, in which nothing can be
// counted.
func (s *Script) isReadOnly() bool {
	return slices.ContainsFunc(s.Statements, func(st Statement) bool { return st.readOnly })
}

// isCountable reports whether the statements of a script are counted. A script that changes the
// role is not countable, because the new role may lack privileges on the history table, and cannot
// resume.
func (s *Script) isCountable() bool {
	return !slices.ContainsFunc(s.Statements, func(st Statement) bool { return st.setsRole })
}

// recordFailure clears the dirty mark if the server reported that the first block failed: nothing
// was applied. Otherwise the mark stays, and the history has the number of applied statements.
func (db *DB) recordFailure(ctx context.Context, m migration, fail *MigrationError) *MigrationError {
	fail.findPosition()
	var server *pq.Error
	if !errors.As(fail.Err, &server) {
		fail.Outcome = Unknown // the failed block may have committed before the connection was lost
		note := db.updateRunSQL(m.run.Version, "run_error = "+literalOrNull(m.setFile(fail).Error()))
		if fail.lookup != nil {
			fail.Leftovers = db.dropLeftoversAfterStop(ctx, fail.lookup, note)
			return fail
		}
		db.recordBestEffort(ctx, note)
		return fail
	}
	set := ""
	if !m.script.isCountable() && fail.StatementsApplied > 0 {
		set = db.countStoppedSQL(ctx, m, fail.StatementsApplied)
	}
	back := db.resetSQL()
	outcome := RunPartiallyApplied
	switch {
	case fail.Outcome == Unknown:
		outcome = RunRunning
	case fail.StatementsApplied == 0 && len(fail.Leftovers) == 0:
		fail.Outcome, outcome = RolledBack, RunFailed
		back += db.writeVersionSQL(m.from)
	}
	if len(fail.Leftovers) == 0 {
		set += ", leftover = NULL"
	}
	back += db.updateRunSQL(m.run.Version, fmt.Sprintf("run_outcome = %s, run_error = %s, run_duration = make_interval(secs => %.3f)%s",
		literalOrNull(outcome), literalOrNull(m.setFile(fail).Error()), time.Since(m.run.Started).Seconds(), set))
	if err := db.rollback(ctx, back); err != nil {
		fail.Err = errors.Join(fail.Err, err)
		fail.Outcome = Unknown
	}
	return fail
}

// countStoppedSQL returns the SET items of an UPDATE that count the statements of a stopped script
// that changes the role. The role may lack privileges on the history table, but the session still
// has the state that the statements left.
func (db *DB) countStoppedSQL(ctx context.Context, m migration, done int) string {
	set := fmt.Sprintf(", statements_applied = %d", done)
	if !db.storesSessionState() {
		return set
	}
	m.trace.follow(m.script, done)
	var state string
	if err := db.rollback(ctx, ""); err != nil {
		return set
	}
	if err := db.queryRow(ctx, "SELECT "+db.sessionQuery(m.trace, done)).Scan(&state); err != nil {
		db.log.Debug("could not read the session state", "error", err)
		return set
	}
	return set + ", session_state = " + literalOrNull(state)
}

// dropInvalidIndex drops the invalid index that a failed CREATE INDEX CONCURRENTLY left under the
// same name: with IF NOT EXISTS the statement would skip it, and without it would fail.
func (db *DB) dropInvalidIndex(ctx context.Context, st Statement) error {
	if st.concurrent == nil || st.concurrent.Idxname == "" {
		return nil
	}
	index, valid, err := db.findIndex(ctx, st.concurrent)
	if err != nil || index == "" || valid {
		return err
	}
	db.log.Info("dropping invalid index of an earlier attempt", "index", index)
	return db.exec(ctx, "DROP INDEX CONCURRENTLY "+index)
}

// findIndex returns the index that a CREATE INDEX names: its quoted name, or "" if it does not
// exist, and whether it is valid.
func (db *DB) findIndex(ctx context.Context, st *pgquery.IndexStmt) (name string, valid bool, err error) {
	err = db.queryRow(ctx, `SELECT i.indexrelid::regclass::text, i.indisvalid
		FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
		WHERE i.indrelid = to_regclass($1) AND c.relname = $2`, quoteQualified(st.Relation.Schemaname, st.Relation.Relname), st.Idxname).Scan(&name, &valid)
	if errors.Is(err, sql.ErrNoRows) {
		return "", false, nil
	}
	return name, valid, db.classifyError(ctx, err)
}
