package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"
)

// resetSession undoes what a migration has SET (pg_dump's output empties the
// search_path, for one). DISCARD ALL would drop the advisory lock too.
const resetSession = "RESET SESSION AUTHORIZATION;\nRESET ROLE;\nRESET ALL;\n"

// vigilance makes the server notice, within 10 seconds, that we are gone: by
// itself it looks only when a statement ends, and holds the locks until then, and
// where a machine has died without a word it would take hours. The first setting
// came with PostgreSQL 14; on a Unix socket the others mean nothing.
func (db *DB) vigilance() string {
	if db.pooled {
		return "" // the session is not ours; see begin
	}
	const keepalives = "SET tcp_keepalives_idle = 4;\nSET tcp_keepalives_interval = 2;\nSET tcp_keepalives_count = 3;\n"
	if db.Server.number < 140000 {
		return keepalives
	}
	return "SET client_connection_check_interval = 3000;\n" + keepalives
}

// reset is the SQL after which the session is as it was before a migration.
func (db *DB) reset() string { return resetSession + db.vigilance() }

// guard fails, with SQLSTATE 3B001 or 25P01, when SQL that we could not parse
// has ended the transaction around it.
const (
	guardOpen  = "SAVEPOINT shiplock;\n"
	guardClose = "RELEASE SAVEPOINT shiplock;\n"
)

// afterwards bounds the work left to do when the run itself has been ended: to
// ask what became of a commit, or to clear a mark. A stop must be done in 5 s.
const afterwards = 3 * time.Second

// backendGone is after how long a backend has noticed that its client has gone,
// and has ended; see vigilance. One that waits for a synchronous standby has not.
const backendGone = 10 * time.Second

// markerPrefix precedes the number of a statement in the messages by which the
// server tells how far it is.
const markerPrefix = "shiplock statement "

// migration is one script on its way from one version to another.
type migration struct {
	script   *Script
	from, to State
	run      Run // what the journal will say
	// resume says that the first run.Done statements are in effect already, and the
	// version is marked dirty since.
	resume bool
	// continues and continued say that it is not the first, or not the last, of
	// several that are one transaction.
	continues, continued bool
}

// memory is what a transaction changes in what is known of the database, and its rollback restores.
type memory struct{ exists, journaled, plpgsql bool }

// apply runs one migration. Whatever its end, the journal tells it.
func (db *DB) apply(ctx context.Context, m migration) *MigrationError {
	m.run.Started, m.run.Total, m.run.transactional = time.Now(), m.script.Count(), m.script.Transactional
	together := m.continues || m.continued
	if !together && (!m.script.Transactional || m.resume) {
		return db.runParts(ctx, m)
	}
	attempt := func() *MigrationError { return db.runTransaction(ctx, m) }
	var fail *MigrationError
	if together {
		fail = attempt() // the whole of them is what is tried again, see Politely
	} else {
		fail = db.politely(ctx, attempt)
	}
	if fail != nil && fail.Outcome == RolledBack && len(m.script.Statements) == 1 && !together && !db.pooled && wantsNoTransaction(fail.Err) {
		// A CALL or DO that commits, a REINDEX or CLUSTER of a partitioned table: it
		// does not show in the SQL. Alone in its file it can run by itself.
		db.log.Info("the server wants this statement outside a transaction", "reason", fail.Server().Message)
		m.run.transactional = false
		return db.runParts(ctx, m)
	}
	if fail != nil && fail.Outcome == RolledBack && hasBegun(fail.Err) && db.journaled { // a first migration that fails leaves nothing at all
		m.run.Outcome, m.run.Error = RunFailed, fail.Error()
		db.note(ctx, db.record(m.run))
	}
	return fail
}

// note writes to the journal what is no part of a migration's own transaction. It
// is worth a second session, but not an error.
func (db *DB) note(ctx context.Context, sql string) {
	write := func(ctx context.Context, db *DB) error { return db.exec(ctx, sql) }
	err := write(ctx, db)
	if err != nil {
		short, cancel := context.WithTimeout(context.WithoutCancel(ctx), afterwards)
		defer cancel()
		err = db.afresh(short, func(fresh *DB) error { return write(short, fresh) })
	}
	if err != nil {
		db.log.Debug("the journal could not be written", "error", err)
	}
}

func wantsNoTransaction(err error) bool {
	return pq.As(err, pqerror.ActiveSQLTransaction, pqerror.InvalidTransactionTermination) != nil
}

// runTransaction puts the SQL, the version and the journal in one transaction, in
// two round trips: whatever dies when, all have happened or none has. Of several
// migrations that are one transaction together, the first begins it and the last
// commits.
func (db *DB) runTransaction(ctx context.Context, m migration) *MigrationError {
	s := m.script
	db.marker.Store(0)
	begin := s.title() + s.Begin + ";\n"
	if !m.continues {
		db.before = memory{db.exists, db.journaled, db.Server.plpgsql}
	}
	if db.pooled && !m.continues {
		if err := db.begin(ctx, begin, &m.from); err != nil {
			return db.rollBack(ctx, &MigrationError{Script: s, Outcome: RolledBack, Err: err, Failed: -1, Offset: -1})
		}
	}
	if db.pooled || m.continues {
		begin = s.title()
	}
	head, creates := db.opening(s, begin)
	err := s.each(func(p portion) error {
		fail := db.send(ctx, head, p, "")
		head = ""
		if fail != nil {
			return fail
		}
		return nil
	})
	if err == nil && head != "" { // there was nothing to send
		err = db.exec(ctx, head)
	}
	if err != nil {
		return db.rollBack(ctx, asMigrationError(s, err))
	}
	m.run.Outcome, m.run.Done = RunApplied, m.run.Total
	state := db.writeState(m.to)
	if creates {
		state = strings.TrimPrefix(state, db.createTable()) // else the server remarks that it is there
	}
	finish := db.guardLock() + db.reset() + db.record(m.run) + state
	if !m.continued {
		finish += "COMMIT;"
	}
	if !s.Parsed {
		finish = guardClose + finish
	}
	if err := db.exec(ctx, finish); err != nil {
		fail := &MigrationError{Script: s, Outcome: RolledBack, Err: err, Failed: len(s.Statements), Offset: -1}
		if code := pq.As(err, pqerror.SEInvalidSpecification, pqerror.NoActiveSQLTransaction); code != nil && !s.Parsed {
			fail.Outcome, fail.Err = Unknown, fmt.Errorf("the file ended its own transaction, so what it did before that stays: %w", err)
		}
		if pq.As(err, pqerror.DivisionByZero) != nil {
			fail.Err = errors.Join(ErrLockGone, err)
		}
		return db.settle(ctx, fail, m)
	}
	db.open = db.pooled && m.continued
	db.exists, db.journaled = true, !db.unjournaled
	return nil
}

// rollBack ends the failed transaction. A session that is gone has done so by itself.
func (db *DB) rollBack(ctx context.Context, fail *MigrationError) *MigrationError {
	db.open = false
	db.exists, db.journaled, db.Server.plpgsql = db.before.exists, db.before.journaled, db.before.plpgsql
	if ctx.Err() != nil {
		return fail
	}
	back := "ROLLBACK;\n"
	if !db.pooled {
		back += db.reset()
	}
	if err := db.exec(ctx, back); err != nil {
		fail.Err = errors.Join(fail.Err, err)
	}
	return fail
}

// settle finds out what became of a transaction whose commit was not answered.
func (db *DB) settle(ctx context.Context, fail *MigrationError, m migration) *MigrationError {
	var server *pq.Error
	if fail.Outcome == Unknown || m.continued || errors.As(fail.Err, &server) {
		return db.rollBack(ctx, fail)
	}
	fail.Outcome = Unknown
	now, err := db.reread(ctx)
	switch {
	case err != nil:
		fail.Err = errors.Join(fail.Err, err)
	case now == m.to && now != m.from:
		return nil
	default:
		fail.Outcome = RolledBack
	}
	return fail
}

// reread reads the version on a new session, after the first has broken. It waits
// for the lock: as long as the first one's backend has it, its COMMIT may still be
// under way (deferred constraints, a synchronous standby) and nobody sees it.
func (db *DB) reread(ctx context.Context) (State, error) {
	limit := backendGone
	if ctx.Err() != nil {
		limit, ctx = afterwards, context.WithoutCancel(ctx)
	}
	short, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var st State
	db.log.Info("the connection broke at the commit: waiting until the server has ended that session", "for_up_to", limit)
	err := db.afresh(short, func(fresh *DB) (err error) {
		fresh.opts.LockWait, fresh.log = limit-afterwards/2, slog.New(slog.DiscardHandler)
		if err = fresh.Lock(short); err == nil {
			st, err = fresh.State(short)
		}
		return err
	})
	var locked *LockedError
	if errors.As(err, &locked) || short.Err() != nil && ctx.Err() == nil {
		// To our caller it is no lock that somebody else has.
		err = fmt.Errorf("and it was not known %s later whether the server has ended that session", limit)
	}
	return st, err
}

// afresh lends out a second session that ends with use.
func (db *DB) afresh(ctx context.Context, use func(*DB) error) error {
	opts := db.opts
	opts.WaitForDB = afterwards
	fresh, err := Open(ctx, opts)
	if err != nil {
		return err
	}
	return errors.Join(use(fresh), fresh.Close())
}

// part is what is sent as one query of a script that is not one transaction.
type part struct {
	first, last int  // statements [first, last)
	open        bool // a transaction is open after it
}

// parts cuts a script where its transactions end. Statements that stand outside
// of them are one implicit transaction with what follows up to there, as they are
// when the whole file is one query. In an Autocommit script each is a part.
func (s *Script) parts() []part {
	var out []part
	first, open := 0, false
	for i, st := range s.Statements {
		switch st.control {
		case controlBegin:
			open = true
		case controlEnd:
			open = false
		}
		if s.Autocommit || st.control == controlEnd || st.control == controlChain || i == len(s.Statements)-1 {
			out = append(out, part{first: first, last: i + 1, open: open})
			first = i + 1
		}
	}
	return out
}

// runParts sends a script part by part, for those that cannot be one transaction.
// The version is marked dirty meanwhile, and the journal counts the statements
// that are in effect: in the part's own transaction where it has one.
func (db *DB) runParts(ctx context.Context, m migration) *MigrationError {
	s := m.script
	m.run.Outcome = RunUnended
	begin := db.writeState(State{Version: m.to.Version, Dirty: true})
	if m.resume {
		begin += db.amend(m.run.Version, fmt.Sprintf("outcome = %s, error = NULL, statements_total = %d, checksum = %s, up_sql = %s, down_sql = %s",
			literal(RunUnended), m.run.Total, literal(m.run.Checksum), literal(m.run.up), literal(m.run.down)))
	} else {
		begin += db.record(m.run)
	}
	if err := db.exec(ctx, begin); err != nil {
		return &MigrationError{Script: s, Outcome: RolledBack, Err: err, Failed: -1, Offset: -1}
	}
	db.exists, db.journaled = true, !db.unjournaled
	done, open := m.run.Done, false
	for _, p := range s.parts() {
		if p.last <= m.run.Done {
			continue
		}
		attempt := func() *MigrationError { return db.runPart(ctx, m, p) }
		fail := func() *MigrationError {
			if open { // what is before it in its transaction is gone with the failure
				return attempt()
			}
			return db.politely(ctx, attempt)
		}()
		if fail != nil {
			fail.Done = done
			return db.clean(ctx, m, fail)
		}
		open = p.open
		if !p.open {
			done = p.last
		}
	}
	end := db.guardLock() + db.reset() + db.writeState(m.to) + db.amend(m.run.Version, fmt.Sprintf(
		"outcome = %s, statements_done = %d, took = make_interval(secs => %.3f)", literal(RunApplied), m.run.Total, time.Since(m.run.Started).Seconds()))
	if err := db.exec(ctx, end); err != nil {
		return &MigrationError{Script: s, Failed: -1, Done: done, Outcome: PartWay, Err: err, Offset: -1}
	}
	return nil
}

func (db *DB) runPart(ctx context.Context, m migration, p part) *MigrationError {
	s := m.script
	first := s.Statements[p.first]
	err := db.setLimits(ctx, first)
	if err == nil {
		err = db.dropInvalidIndex(ctx, first)
	}
	fail := asMigrationError(s, err)
	if err == nil {
		fail = db.sendPart(ctx, s, p, db.countPart(m, p))
	}
	if fail == nil {
		return nil
	}
	fail.Outcome = PartWay
	if p.last-p.first == 1 || err != nil {
		fail.Failed = p.first
	}
	if p.last-p.first == 1 && first.commits {
		fail.Outcome = Unknown // it may have committed before it failed
	}
	return fail
}

// counting is how the journal's count of statements goes along with a part.
type counting struct {
	head     string // before the part
	last, to int    // where the part is cut off, as portions takes them
	tail     string // behind that, in the same query
	after    string // a query of its own
}

// countPart puts the journal's count into a part: before the COMMIT that ends it,
// or behind the statements that are one implicit transaction with it. A statement
// that refuses a transaction, or commits by itself, is counted by a query of its
// own, after it. A COPY by itself gets a transaction.
func (db *DB) countPart(m migration, p part) counting {
	s, last := m.script, m.script.Statements[p.last-1]
	c := counting{last: p.last, to: last.Offset + len(last.Text)}
	count := db.amend(m.run.Version, fmt.Sprintf("statements_done = %d", p.last))
	alone := p.last-p.first == 1
	switch {
	case p.open:
	case alone && s.hasRows(last) && !s.inTransaction(p.first):
		c.head, c.after = "BEGIN;\n", count+"COMMIT"
		if !s.countable() {
			c.after = "COMMIT"
		}
	case !s.countable():
	case s.readsOnly(), s.single():
		c.after = count
	case last.commit:
		c.last, c.to, c.tail = p.last-1, last.Offset, count+last.Text
	case alone && (last.alone || last.commits), last.control != controlNone:
		c.after = count
	case count != "":
		c.tail = ";\n" + count
	}
	return c
}

// sendPart sends a part with its count.
func (db *DB) sendPart(ctx context.Context, s *Script, p part, c counting) *MigrationError {
	head, tail := c.head, c.tail
	portions := s.portions(p.first, c.last, s.Statements[p.first].Offset, c.to)
	for i, q := range portions {
		end := ""
		if i == len(portions)-1 && q.rows == nil {
			end, tail = tail, ""
		}
		if fail := db.send(ctx, head, q, end); fail != nil {
			return fail
		}
		head = ""
	}
	for _, query := range []string{tail, c.after} {
		if query == "" {
			continue
		}
		if err := db.exec(ctx, query); err != nil {
			fail := asMigrationError(s, err)
			fail.Failed = p.last - 1
			return fail
		}
	}
	return nil
}

// single is true for a script that was to be one transaction and turned out to
// want none; see apply.
func (s *Script) single() bool { return s.Transactional && len(s.Statements) == 1 }

// readsOnly is true for scripts with a read-only transaction, in which nothing can be counted.
func (s *Script) readsOnly() bool {
	return slices.ContainsFunc(s.Statements, func(st Statement) bool { return st.readOnly })
}

// countable is false for scripts that change the role: the new one may have no
// right to the journal, so its parts are not counted and cannot be resumed.
func (s *Script) countable() bool {
	return !slices.ContainsFunc(s.Statements, func(st Statement) bool { return st.setsRole })
}

// clean takes the dirty mark back where the first part failed: the server said
// so, and so nothing has happened. Else the mark stays, and the journal says how
// far it came.
func (db *DB) clean(ctx context.Context, m migration, fail *MigrationError) *MigrationError {
	var server *pq.Error
	if !errors.As(fail.Err, &server) {
		fail.Outcome = Unknown // the failed part may have committed before its answer was lost
		db.note(ctx, db.amend(m.run.Version, "error = "+literal(fail.Error())))
		return fail
	}
	// ROLLBACK is a mere warning where the failed part has left no transaction open.
	back := "ROLLBACK;\n" + db.reset()
	outcome := RunStopped
	switch {
	case fail.Outcome == Unknown:
		outcome = RunUnended
	case fail.Done == 0:
		fail.Outcome, outcome = RolledBack, RunFailed
		back += db.writeState(m.from)
	}
	back += db.amend(m.run.Version, fmt.Sprintf("outcome = %s, error = %s, took = make_interval(secs => %.3f)",
		literal(outcome), literal(fail.Error()), time.Since(m.run.Started).Seconds()))
	if err := db.exec(ctx, back); err != nil {
		fail.Err = errors.Join(fail.Err, err)
		fail.Outcome = Unknown
	}
	return fail
}

// dropInvalidIndex removes what a failed CREATE INDEX CONCURRENTLY has left under
// the same name: with IF NOT EXISTS it would count as built, without as in the way.
func (db *DB) dropInvalidIndex(ctx context.Context, st Statement) error {
	if st.concurrent == nil || st.concurrent.Idxname == "" {
		return nil
	}
	relation := qualified(st.concurrent.Relation.Schemaname, st.concurrent.Relation.Relname)
	var index string
	err := db.row(ctx, `SELECT coalesce((
		SELECT i.indexrelid::regclass::text FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
		WHERE i.indrelid = to_regclass($1) AND c.relname = $2 AND NOT i.indisvalid), '')`, relation, st.concurrent.Idxname).Scan(&index)
	if err != nil || index == "" {
		return db.lost(ctx, err)
	}
	db.log.Info("dropping the invalid index of an earlier attempt", "index", index)
	return db.exec(ctx, "DROP INDEX CONCURRENTLY "+index)
}

// failedStatement finds the statement that failed: the one that holds the place
// the server names, else the last one whose start it reported.
func (db *DB) failedStatement(s *Script, offset int) int {
	if offset >= 0 {
		for i := len(s.Statements) - 1; i >= 0; i-- {
			if s.Statements[i].Offset <= offset {
				return i
			}
		}
	}
	if len(s.Statements) == 1 {
		return 0
	}
	if len(s.Statements) == 0 || !db.Server.plpgsql {
		return -1
	}
	return int(db.marker.Load())
}

// onNotice receives the server's messages: our markers, and what a migration RAISEs.
func (db *DB) onNotice(n *pq.Error) {
	var i int64
	if rest, ok := strings.CutPrefix(n.Message, markerPrefix); ok {
		if _, err := fmt.Sscan(rest, &i); err == nil {
			db.marker.Store(i)
			return
		}
	}
	db.log.Info("server message", "severity", n.Severity, "message", n.Message)
}
