package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lib/pq"
	pgquery "github.com/pganalyze/pg_query_go/v6"
)

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
			literal(RunUnended), m.run.Total, literal(m.run.Checksum), literal(m.run.up), m.run.downLiteral())+db.forget()+db.amended(m.run))
	} else {
		begin += db.record(m.run)
	}
	if err := db.exec(ctx, begin); err != nil {
		return asMigrationError(s, err)
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
	before, check := s.title()+db.lossBaseline(s), db.lossCheck(s)
	if check == "" {
		before = ""
	}
	switch {
	case p.open && check != "" && last.control == controlNone && !last.setting && !s.hasRows(last):
		c.head, c.tail = before, ";\n"+check
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
		c.last, c.to, c.head, c.tail = p.last-1, last.Offset, before, check+count+last.Text
	case alone && (last.alone || last.commits), last.control != controlNone:
		c.after = count
	case check+count != "":
		c.head, c.tail = before, ";\n"+check+count
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
	fail.locate()
	var server *pq.Error
	if !errors.As(fail.Err, &server) {
		fail.Outcome = Unknown // the failed part may have committed before its answer was lost
		db.note(ctx, db.amend(m.run.Version, "error = "+literal(m.named(fail).Error())))
		return fail
	}
	back := db.reset()
	outcome := RunStopped
	switch {
	case fail.Outcome == Unknown:
		outcome = RunUnended
	case fail.Done == 0:
		fail.Outcome, outcome = RolledBack, RunFailed
		back += db.writeState(m.from)
	}
	back += db.amend(m.run.Version, fmt.Sprintf("outcome = %s, error = %s, took = make_interval(secs => %.3f)",
		literal(outcome), literal(m.named(fail).Error()), time.Since(m.run.Started).Seconds()))
	if err := db.rollback(ctx, back); err != nil {
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
	index, valid, err := db.index(ctx, st.concurrent)
	if err != nil || index == "" || valid {
		return err
	}
	db.log.Info("dropping the invalid index of an earlier attempt", "index", index)
	return db.exec(ctx, "DROP INDEX CONCURRENTLY "+index)
}

// index finds the index that a CREATE INDEX is to make: its name as SQL wants it,
// "" where there is none, and whether it is valid.
func (db *DB) index(ctx context.Context, st *pgquery.IndexStmt) (name string, valid bool, err error) {
	err = db.row(ctx, `SELECT i.indexrelid::regclass::text, i.indisvalid
		FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
		WHERE i.indrelid = to_regclass($1) AND c.relname = $2`, qualified(st.Relation.Schemaname, st.Relation.Relname), st.Idxname).Scan(&name, &valid)
	if errors.Is(err, sql.ErrNoRows) {
		return "", false, nil
	}
	return name, valid, db.lost(ctx, err)
}
