package postgres

import (
	"context"
	"errors"
	"fmt"
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

// markerPrefix precedes the number of a statement in the messages by which the
// server tells how far it is.
const markerPrefix = "shiplock statement "

// run applies one script that leads from one version to another.
func (db *DB) run(ctx context.Context, s *Script, from, to State) *MigrationError {
	if !s.Transactional {
		return db.runParts(ctx, s, from, to)
	}
	fail := db.politely(ctx, func() *MigrationError { return db.runTransaction(ctx, s, from, to) })
	if fail != nil && fail.Outcome == RolledBack && len(s.Statements) == 1 && wantsNoTransaction(fail.Err) {
		// A CALL or DO that commits, a REINDEX or CLUSTER of a partitioned table: it
		// does not show in the SQL. Alone in its file it can run by itself.
		db.log.Info("the server wants this statement outside a transaction", "reason", fail.Server().Message)
		return db.runParts(ctx, s, from, to)
	}
	return fail
}

func wantsNoTransaction(err error) bool {
	return pq.As(err, pqerror.ActiveSQLTransaction, pqerror.InvalidTransactionTermination) != nil
}

// runTransaction puts the SQL and the version in one transaction, in two round
// trips: whatever dies when, both have happened or neither has.
func (db *DB) runTransaction(ctx context.Context, s *Script, from, to State) *MigrationError {
	db.marker.Store(0)
	body := db.transaction(s)
	if err := db.exec(ctx, body.sql); err != nil {
		fail := &MigrationError{Script: s, Outcome: RolledBack, Err: err, Failed: -1, Offset: body.fileOffset(serverOffset(err, body.sql))}
		fail.Failed = db.failedStatement(s, fail.Offset)
		return db.rollBack(ctx, fail)
	}
	finish := db.guardLock() + db.reset() + db.writeState(to) + "COMMIT;"
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
		return db.settle(ctx, fail, from, to)
	}
	db.exists = true
	db.Server.plpgsql = db.Server.plpgsql && !slices.ContainsFunc(s.Statements, func(st Statement) bool { return st.unmarked })
	return nil
}

// rollBack ends the failed transaction. A session that is gone has done so by itself.
func (db *DB) rollBack(ctx context.Context, fail *MigrationError) *MigrationError {
	if ctx.Err() != nil {
		return fail
	}
	if err := db.exec(ctx, "ROLLBACK;\n"+db.reset()); err != nil {
		fail.Err = errors.Join(fail.Err, err)
	}
	return fail
}

// settle finds out what became of a transaction whose commit was not answered.
func (db *DB) settle(ctx context.Context, fail *MigrationError, from, to State) *MigrationError {
	var server *pq.Error
	if fail.Outcome == Unknown || errors.As(fail.Err, &server) {
		return db.rollBack(ctx, fail)
	}
	fail.Outcome = Unknown
	short, cancel := context.WithTimeout(context.WithoutCancel(ctx), afterwards)
	defer cancel()
	now, err := db.reread(short)
	switch {
	case err != nil:
		fail.Err = errors.Join(fail.Err, err)
	case now == to && now != from:
		return nil
	default:
		fail.Outcome = RolledBack
	}
	return fail
}

// reread reads the version on a new session, after the first has broken.
func (db *DB) reread(ctx context.Context) (State, error) {
	var st State
	err := db.afresh(ctx, func(fresh *DB) (err error) {
		st, err = fresh.State(ctx)
		return err
	})
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
// The version is marked dirty meanwhile.
func (db *DB) runParts(ctx context.Context, s *Script, from, to State) *MigrationError {
	if err := db.exec(ctx, db.writeState(State{Version: to.Version, Dirty: true})); err != nil {
		return &MigrationError{Script: s, Outcome: RolledBack, Err: err, Failed: -1, Offset: -1}
	}
	db.exists = true
	done, open := 0, false
	for _, p := range s.parts() {
		attempt := func() *MigrationError { return db.runPart(ctx, s, p) }
		fail := func() *MigrationError {
			if open { // what is before it in its transaction is gone with the failure
				return attempt()
			}
			return db.politely(ctx, attempt)
		}()
		if fail != nil {
			fail.Done = done
			return db.clean(ctx, fail, from)
		}
		open = p.open
		if !p.open {
			done = p.last
		}
	}
	if err := db.exec(ctx, db.guardLock()+db.reset()+db.writeState(to)); err != nil {
		return &MigrationError{Script: s, Failed: -1, Done: done, Outcome: PartWay, Err: err, Offset: -1}
	}
	return nil
}

func (db *DB) runPart(ctx context.Context, s *Script, p part) *MigrationError {
	db.marker.Store(int64(p.first))
	first, last := s.Statements[p.first], s.Statements[p.last-1]
	text := db.compose(s, s.title(), p.first, p.last, first.Offset, last.Offset+len(last.Text))
	err := db.setLimits(ctx, first)
	if err == nil {
		err = db.dropInvalidIndex(ctx, first)
	}
	if err == nil {
		err = db.exec(ctx, text.sql)
	}
	if err == nil {
		return nil
	}
	fail := &MigrationError{Script: s, Outcome: PartWay, Err: err, Offset: text.fileOffset(serverOffset(err, text.sql))}
	if p.last-p.first == 1 && first.commits {
		fail.Outcome = Unknown // it may have committed before it failed
	}
	if fail.Failed = p.first; p.last-p.first > 1 {
		fail.Failed = db.failedStatement(s, fail.Offset)
	}
	return fail
}

// clean takes the dirty mark back where the first part failed: the server said
// so, and so nothing has happened. Else the mark stays.
func (db *DB) clean(ctx context.Context, fail *MigrationError, from State) *MigrationError {
	var server *pq.Error
	if !errors.As(fail.Err, &server) {
		if fail.Done == 0 {
			fail.Outcome = Unknown
		}
		return fail
	}
	known := fail.Outcome != Unknown
	// ROLLBACK is a mere warning where the failed part has left no transaction open.
	back := "ROLLBACK;\n" + db.reset()
	if fail.Done == 0 && known {
		fail.Outcome = RolledBack
		back += db.writeState(from)
	}
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
	relation := pq.QuoteIdentifier(st.concurrent.Relation.Relname)
	if schema := st.concurrent.Relation.Schemaname; schema != "" {
		relation = pq.QuoteIdentifier(schema) + "." + relation
	}
	var index string
	err := db.conn.QueryRowContext(ctx, `SELECT coalesce((
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
