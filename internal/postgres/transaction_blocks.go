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

// txBlock is what is sent as one query of a script that is not one transaction.
type txBlock struct {
	first, last int  // statements [first, last)
	openAfter   bool // a transaction is open after it
	openBefore  bool // one is open before it
}

// txBlocks cuts a script where its transactions end. Statements that stand outside
// of them are one implicit transaction with what follows up to there, as they are
// when the whole file is one query. In an Autocommit script each is a part.
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

// runBlocks sends a script part by part, for those that cannot be one transaction.
// The version is marked dirty meanwhile, and the journal counts the statements
// that are in effect: in the part's own transaction where it has one.
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
			literalOrNull(RunRunning), s.Transactional, m.run.StatementsApplied, m.run.StatementsTotal, literalOrNull(m.run.Checksum), literalOrNull(m.run.upSQL), m.run.downLiteral())+", files_digest = NULL"+db.amended(m.run))
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
			if open { // what is before it in its transaction is gone with the failure
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
		return nil // the part was the rest of it, with its end
	}
	if err := db.exec(ctx, beginReadWrite+db.finishSQL(m)+"COMMIT"); err != nil {
		fail := &MigrationError{Script: s, FailedIndex: -1, StatementsApplied: done, Outcome: PartiallyApplied, Err: err, Offset: -1}
		fail.RecordingFailed = fail.Server() != nil
		return fail
	}
	return nil
}

// finishSQL is the SQL after the last statement.
func (db *DB) finishSQL(m migration) string {
	const forget = ", session_state = NULL, leftover = NULL"
	return db.resetSQL() + db.writeVersionSQL(m.to) + db.updateRunSQL(m.run.Version, fmt.Sprintf(
		"run_outcome = %s, statements_applied = %d, run_duration = pg_catalog.make_interval(secs => %.3f)%s", literalOrNull(RunApplied), m.run.StatementsTotal, time.Since(m.run.Started).Seconds(), forget))
}

// resumeRun begins where a run of the same migration has stopped: what its last
// statement left goes, and the session becomes what it was.
func (db *DB) resumeRun(ctx context.Context, m migration, begin string) *MigrationError {
	s := m.script
	row, err := db.interruptedRow(ctx, m.run)
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

// remainingBlocks cuts what comes after the first done statements. Of a script that has become
// one transaction it is one part.
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
		// What the statement is done to decides it, as a partitioned table for REINDEX: its
		// text does not tell, and with the count it was a transaction.
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

// ignoreServerError lets an error of the server pass where it was asked for the session's
// state: a run that ends here is then resumed by what the statements alone tell.
func (db *DB) ignoreServerError(ctx context.Context, err error) error {
	var server *pq.Error
	if err == nil || !errors.As(err, &server) || isLostError(err) {
		return err
	}
	db.log.Debug("the session's state could not be read", "error", err)
	return db.rollback(ctx, "")
}

// countAfter counts a statement that has been finished otherwise.
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

// prepareBlock readies the session for a part: what it held is written to the history, if
// that is yet to be done, and what a statement may leave, too.
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

// finishDetach finishes a detach that an earlier attempt has begun.
func (db *DB) finishDetach(ctx context.Context, t *leftoverLookup) (bool, error) {
	left, err := db.findLeftovers(ctx, t)
	if err != nil || len(left) == 0 {
		return false, err
	}
	db.log.Info("finishing the detach that an earlier attempt began", "statement", left[0].SQL)
	return true, db.exec(ctx, left[0].SQL)
}

// finishAfterFailure removes what a failed statement left. It reports whether the
// statement is in effect now: a drop or a detach that has begun is finished.
func (db *DB) finishAfterFailure(ctx context.Context, t *leftoverLookup, fail *MigrationError) (done bool) {
	before, err := db.findLeftovers(ctx, t)
	if err == nil && len(before) > 0 {
		fail.Leftovers, err = db.dropLeftovers(ctx, t)
	}
	if err != nil {
		db.log.Debug("what the statement left could not be removed", "error", err)
		if fail.Leftovers == nil {
			fail.Leftovers = before
		}
	}
	return len(before) > 0 && len(fail.Leftovers) == 0 && err == nil && (t.Kind == leftoverDrop || t.Kind == leftoverDetach)
}

// statementCounting is how the journal's count of statements goes along with a part.
type statementCounting struct {
	head         string // before the part
	last, to     int    // where the part is cut off, as portions takes them
	tail         string // behind that, in the same query
	after        string // a query of its own
	withoutState string // the same without the session's state; empty where it has none
}

// countBlock puts the journal's count into a part: before the COMMIT that ends it,
// or behind the statements that are one implicit transaction with it. A statement
// that refuses a transaction, or commits by itself, is counted by a query of its
// own, after it. A COPY by itself gets a transaction.
func (db *DB) countBlock(m migration, p txBlock) statementCounting {
	s, last := m.script, m.script.Statements[p.last-1]
	c := statementCounting{last: p.last, to: last.Offset + len(last.Text)}
	alone := p.last-p.first == 1
	outside := s.isReadOnly() || s.isSingleStatement() || !last.isCommit && (alone && (last.refusesTransaction || last.mayCommit) || last.control != controlNone)
	count, plain := db.countSQL(m, p, outside)
	c.withoutState = plain
	before, check := s.titleComment()+db.lossBaselineSQL(s), db.lossCheckSQL(s)
	if check == "" {
		before = ""
	}
	switch {
	case p.openAfter && check != "" && last.control == controlNone && !last.setsTransaction && !s.hasRows(last):
		c.head, c.tail = before, ";\n"+check
	case p.openAfter:
	case m.resume && s.Transactional: // it has been corrected into one transaction
		c.head, c.tail = s.titleComment()+s.Begin+";\n"+db.lossBaselineSQL(s), ";\n"+db.checkConstraintsSQL(false)+check+db.finishSQL(m)+"COMMIT"
	case alone && s.hasRows(last) && !s.inTransaction(p.first):
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

// sendBlock sends a part with its count.
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

// isSingleStatement is true for a script that was to be one transaction and turned out to
// want none; see apply.
func (s *Script) isSingleStatement() bool { return s.Transactional && len(s.Statements) == 1 }

// isReadOnly is true for scripts with a read-only transaction, in which nothing can be counted.
func (s *Script) isReadOnly() bool {
	return slices.ContainsFunc(s.Statements, func(st Statement) bool { return st.readOnly })
}

// isCountable is false for scripts that change the role: the new one may have no
// right to the journal, so its parts are not counted and cannot be resumed.
func (s *Script) isCountable() bool {
	return !slices.ContainsFunc(s.Statements, func(st Statement) bool { return st.setsRole })
}

// recordFailure takes the dirty mark back where the first part failed: the server said
// so, and so nothing has happened. Else the mark stays, and the journal says how
// far it came.
func (db *DB) recordFailure(ctx context.Context, m migration, fail *MigrationError) *MigrationError {
	fail.findPosition()
	var server *pq.Error
	if !errors.As(fail.Err, &server) {
		fail.Outcome = Unknown // the failed part may have committed before its answer was lost
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

// countStoppedSQL is the part of an UPDATE that counts the statements of a script that
// changes the role, once it has stopped: the role has no right to the history, maybe,
// but the session is as the statements have left it.
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
		db.log.Debug("the session's state could not be read", "error", err)
		return set
	}
	return set + ", session_state = " + literalOrNull(state)
}

// dropInvalidIndex removes what a failed CREATE INDEX CONCURRENTLY has left under
// the same name: with IF NOT EXISTS it would count as built, without as in the way.
func (db *DB) dropInvalidIndex(ctx context.Context, st Statement) error {
	if st.concurrent == nil || st.concurrent.Idxname == "" {
		return nil
	}
	index, valid, err := db.findIndex(ctx, st.concurrent)
	if err != nil || index == "" || valid {
		return err
	}
	db.log.Info("dropping the invalid index of an earlier attempt", "index", index)
	return db.exec(ctx, "DROP INDEX CONCURRENTLY "+index)
}

// findIndex finds the index that a CREATE INDEX is to make: its name as SQL wants it,
// "" where there is none, and whether it is valid.
func (db *DB) findIndex(ctx context.Context, st *pgquery.IndexStmt) (name string, valid bool, err error) {
	err = db.queryRow(ctx, `SELECT i.indexrelid::regclass::text, i.indisvalid
		FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
		WHERE i.indrelid = to_regclass($1) AND c.relname = $2`, quoteQualified(st.Relation.Schemaname, st.Relation.Relname), st.Idxname).Scan(&name, &valid)
	if errors.Is(err, sql.ErrNoRows) {
		return "", false, nil
	}
	return name, valid, db.classifyError(ctx, err)
}
