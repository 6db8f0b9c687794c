package postgres

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/lib/pq"
	pgquery "github.com/pganalyze/pg_query_go/v6"

	"github.com/shiplock/shiplock/internal/sqlfile"
)

// UnprovableError says that nobody can tell whether a statement is in effect: the
// migrator was ended while it ran, it commits by itself, and it leaves no trace
// that could be looked for.
type UnprovableError struct {
	File       string
	Statement  string
	Line       int
	Number, Of int // of the statement in its file, from 1
	Version    int
	// Uncounted says that the statements after it may be in effect, too.
	Uncounted bool
}

func (e *UnprovableError) Error() string {
	return fmt.Sprintf("%s:%d: whether statement %d of %d is in effect cannot be told from the database", e.File, e.Line, e.Number, e.Of)
}

// ChangedError says that the part of a file that is in effect already was edited since.
type ChangedError struct {
	File string
	Done int
}

func (e *ChangedError) Error() string {
	if e.Done == 1 {
		return e.File + ": its first statement is in effect, and has been changed since"
	}
	return fmt.Sprintf("%s: its first %d statements are in effect, and they have been changed since", e.File, e.Done)
}

// Resume finds out how many statements of a script are in effect, after a run of
// it that did not come to its end. Errors are *UnprovableError and *ChangedError.
func (db *DB) Resume(ctx context.Context, file string, open func() (io.ReadCloser, error), r Run) (done int, err error) {
	s, err := loadFile(file, open)
	if err != nil {
		return 0, err
	}
	if s.stream != nil { // it was small enough to stop part-way, and has grown since
		return 0, &ChangedError{File: file, Done: r.Done}
	}
	if err := db.unchanged(ctx, s, file, r); err != nil {
		return 0, err
	}
	if r.Outcome != RunUnended || r.Done >= len(s.Statements) {
		return r.Done, nil
	}
	st := s.Statements[r.Done]
	p, uncertain := s.uncertain(r.Done)
	if !uncertain {
		return r.Done, nil
	}
	var effect, known bool
	// A script that is not counted may have come further than its first statement; and
	// of several that are one transaction the next may have undone what the first did.
	if s.countable() && p.last-p.first == 1 {
		effect, known, err = db.inEffect(ctx, st)
	}
	switch {
	case err != nil:
		return 0, err
	case !known:
		return 0, &UnprovableError{
			File: file, Statement: st.Text, Line: s.line(st),
			Number: r.Done + 1, Of: len(s.Statements), Version: r.Version, Uncounted: !s.countable(),
		}
	case effect:
		return r.Done + 1, nil
	}
	return r.Done, nil
}

// unchanged compares the statements that are in effect with what the journal says
// has run. The others may have been corrected.
func (db *DB) unchanged(ctx context.Context, s *Script, file string, r Run) error {
	if r.Done == 0 {
		return nil
	}
	column := "up_sql"
	if r.Direction == "down" {
		column = "down_sql"
	}
	var ran string
	err := db.row(ctx, fmt.Sprintf("SELECT coalesce(%s, '') FROM %s WHERE version = %d ORDER BY id DESC LIMIT 1",
		column, db.journal(), r.Version)).Scan(&ran)
	if err != nil {
		return db.lost(ctx, err)
	}
	if ran == "" && r.Direction == "up" && r.Checksum == s.sum {
		return nil // it has a password, so only its checksum is kept
	}
	before, err := ParseScript([]byte(ran))
	if err != nil || len(before.Statements) < r.Done || len(s.Statements) < r.Done {
		return &ChangedError{File: file, Done: r.Done}
	}
	for i := range r.Done {
		if sqlfile.Canonical(before.Statements[i].Text) != sqlfile.Canonical(s.Statements[i].Text) {
			return &ChangedError{File: file, Done: r.Done}
		}
	}
	return nil
}

// uncertain finds the part that begins with statement first, and says whether it
// can be in effect though the journal does not count it; see composePart.
func (s *Script) uncertain(first int) (part, bool) {
	i := slices.IndexFunc(s.parts(), func(p part) bool { return p.first == first })
	if i < 0 {
		return part{}, false
	}
	p := s.parts()[i]
	last := s.Statements[p.last-1]
	switch {
	case !s.countable(), s.readsOnly(), s.single():
		return p, true
	case p.open:
		return p, false // its COMMIT is counted
	case last.commit:
		return p, false
	case last.control != controlNone:
		return p, last.node.GetTransactionStmt().GetKind() == pgquery.TransactionStmtKind_TRANS_STMT_PREPARE
	}
	return p, p.last-p.first == 1 && (last.alone || last.commits)
}

// inEffect looks in the catalogs for what a statement makes. A statement that does
// no harm twice counts as not in effect.
func (db *DB) inEffect(ctx context.Context, st Statement) (effect, known bool, err error) {
	switch n := st.node.Node.(type) {
	case *pgquery.Node_IndexStmt:
		if n.IndexStmt.Idxname == "" {
			return false, false, nil
		}
		_, effect, err = db.index(ctx, n.IndexStmt)
		return effect, err == nil, err
	case *pgquery.Node_DropStmt:
		name := nameOf(n.DropStmt.Objects)
		if name == "" {
			return false, false, nil
		}
		err = db.row(ctx, "SELECT to_regclass($1) IS NULL", name).Scan(&effect)
		return effect, err == nil, db.lost(ctx, err)
	case *pgquery.Node_AlterEnumStmt:
		e := n.AlterEnumStmt
		err = db.row(ctx, `SELECT to_regtype($1) IS NOT NULL,
				EXISTS (SELECT FROM pg_catalog.pg_enum WHERE enumtypid = to_regtype($1) AND enumlabel = $2)
				AND ($3 = '' OR NOT EXISTS (SELECT FROM pg_catalog.pg_enum WHERE enumtypid = to_regtype($1) AND enumlabel = $3))`,
			quoted(e.TypeName), e.NewVal, e.OldVal).Scan(&known, &effect)
		return effect, known && err == nil, db.lost(ctx, err)
	case *pgquery.Node_ReindexStmt, *pgquery.Node_VacuumStmt, *pgquery.Node_ClusterStmt,
		*pgquery.Node_AlterSystemStmt, *pgquery.Node_AlterDatabaseStmt, *pgquery.Node_DiscardStmt:
		return false, true, nil
	}
	return false, false, nil
}

// nameOf is the quoted name of the only object of a DROP.
func nameOf(objects []*pgquery.Node) string {
	if len(objects) != 1 {
		return ""
	}
	return quoted(objects[0].GetList().GetItems())
}

// quoted writes a name, qualified or not, as SQL.
func quoted(name []*pgquery.Node) string {
	var parts []string
	for _, n := range name {
		parts = append(parts, pq.QuoteIdentifier(n.GetString_().GetSval()))
	}
	return strings.Join(parts, ".")
}

func qualified(schema, name string) string {
	if schema == "" {
		return pq.QuoteIdentifier(name)
	}
	return pq.QuoteIdentifier(schema) + "." + pq.QuoteIdentifier(name)
}

// Settle is what a person says of a statement that nobody else can tell: the
// migration goes on after it, or with it.
func (db *DB) Settle(ctx context.Context, r Run, done int) error {
	return db.exec(ctx, db.amend(r.Version, fmt.Sprintf("outcome = %s, statements_done = %d", literal(RunRepaired), done)))
}

// SetVersion writes the version that a person says the schema has, and journals it.
func (db *DB) SetVersion(ctx context.Context, to State, r Run) error {
	r.Started = time.Now()
	err := db.exec(ctx, db.record(r)+db.writeState(to))
	if err == nil {
		db.exists, db.journaled = true, !db.unjournaled
	}
	return err
}
