package resume

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"strings"

	pgquery "github.com/pganalyze/pg_query_go/v6"

	"github.com/shiplock/shiplock/internal/history"
	"github.com/shiplock/shiplock/internal/script"
	"github.com/shiplock/shiplock/internal/script/syntax"
	"github.com/shiplock/shiplock/internal/sqlfile"
)

// UnknownOutcomeError reports that it cannot be determined whether a statement was applied: the
// migrator stopped while it ran, it commits by itself, and it leaves nothing in the catalogs that
// could be queried.
type UnknownOutcomeError struct {
	File          string
	Statement     string
	Line          int
	Number, Total int // 1-based position of the statement in its file
	Version       int
	// Uncounted reports that later statements may have been applied, too.
	Uncounted bool
}

func (e *UnknownOutcomeError) Error() string {
	return fmt.Sprintf("%s:%d: cannot determine from the database whether statement %d of %d was applied", e.File, e.Line, e.Number, e.Total)
}

// ChangedError reports that the applied statements of a file have been edited.
type ChangedError struct {
	File    string
	Applied int
	// LineEndings reports that only line endings differ.
	LineEndings bool
}

func (e *ChangedError) Error() string {
	if e.LineEndings {
		return fmt.Sprintf("%s: the line endings of its applied statements (%d) have changed", e.File, e.Applied)
	}
	if e.Applied == 1 {
		return e.File + ": its first statement has been applied, and was changed afterwards"
	}
	return fmt.Sprintf("%s: its first %d statements have been applied, and were changed afterwards", e.File, e.Applied)
}

// ResumePoint returns how many statements of a partially applied script have been applied. Errors
// are *UnknownOutcomeError, *ChangedError and *SessionStateError.
func (resumer *Resumer) ResumePoint(ctx context.Context, file string, open func() (io.ReadCloser, error), r history.Entry) (done int, err error) {
	s, err := script.LoadFile(file, open)
	if err != nil {
		return 0, err
	}
	row, err := resumer.store.ReadInterruptedRow(ctx, r)
	if err != nil {
		return 0, err
	}
	before, err := executedScript(s, file, r, row)
	if err != nil {
		return 0, err
	}
	if !before.IsCountable() && r.Outcome == history.PartiallyApplied && r.StatementsApplied == 0 && row.Leftover == "" { // written by an older release
		return 0, newUnknownOutcomeError(before, 0, r)
	}
	if r.StatementsApplied > 0 {
		if err := s.LoadStatements(); err != nil {
			return 0, err
		}
		if err := checkUnchanged(before, s, r.StatementsApplied); err != nil {
			return 0, err
		}
	}
	done, err = resumer.appliedStatements(ctx, before, s, r, row)
	if err != nil || done == 0 {
		return done, err
	}
	restore, err := resumer.SessionAt(ctx, s, r, row, done)
	if err == nil && restore != "" { // report now a setting that the server rejects
		err = resumer.asSessionStateError(s, r, done, resumer.inRestoredSession(ctx, restore, func() error { return nil }))
	}
	return done, err
}

// appliedStatements determines whether the statement that ran last was applied. It uses the script
// that ran, not the current file.
func (resumer *Resumer) appliedStatements(ctx context.Context, before, s *script.Script, r history.Entry, row history.InterruptedRow) (done int, err error) {
	if r.Outcome != history.Running || r.StatementsApplied >= len(before.Statements) || row.Transactional && before.Transactional {
		return r.StatementsApplied, nil
	}
	st := before.Statements[r.StatementsApplied]
	block, uncertain := before.UncertainBlock(r.StatementsApplied)
	if !uncertain {
		return r.StatementsApplied, nil
	}
	var applied, known bool
	// A script whose statements are not counted may have run past its first statement, and in a
	// transaction of several statements a later one may have reverted the first.
	if before.IsCountable() && block.Last-block.First == 1 {
		var restore string
		if restore, err = resumer.SessionAt(ctx, before, r, row, r.StatementsApplied); err != nil {
			return 0, err
		}
		err = resumer.asSessionStateError(before, r, r.StatementsApplied, resumer.inRestoredSession(ctx, restore, func() (err error) {
			t := StoredLookup(row)
			if t != nil && t.Statement != r.StatementsApplied+1 {
				t = nil
			}
			if t == nil && row.Session != "" && st.Concurrent != nil {
				known = true // its leftover is recorded before it starts
				return nil
			}
			applied, known, err = resumer.isApplied(ctx, st, t)
			return err
		}))
	}
	switch {
	case err != nil:
		return 0, err
	case !known:
		return 0, newUnknownOutcomeError(before, r.StatementsApplied, r)
	case applied && (r.StatementsApplied >= len(s.Statements) || sqlfile.Canonical(s.Statements[r.StatementsApplied].Text) != sqlfile.Canonical(st.Text)):
		return 0, changedError(before, s, r.StatementsApplied+1)
	case applied:
		return r.StatementsApplied + 1, nil
	}
	return r.StatementsApplied, nil
}

func newUnknownOutcomeError(s *script.Script, i int, r history.Entry) error {
	st := s.Statements[i]
	return &UnknownOutcomeError{
		File: s.Name, Statement: st.Text, Line: s.LineOf(st),
		Number: i + 1, Total: len(s.Statements), Version: r.Version, Uncounted: !s.IsCountable(),
	}
}

// asSessionStateError converts the server's error about a session state to a *SessionStateError.
func (resumer *Resumer) asSessionStateError(s *script.Script, r history.Entry, done int, err error) error {
	var refused *restoreError
	if errors.As(err, &refused) && done < len(s.Statements) {
		return resumer.newSessionStateError(s, r, done, nil, refused.err)
	}
	return err
}

// executedScript returns the script as the history table stores it, or s if only its checksum is
// stored.
func executedScript(s *script.Script, file string, r history.Entry, row history.InterruptedRow) (*script.Script, error) {
	if row.SQL == "" && (r.StatementsApplied == 0 || r.Direction == "up" && r.Checksum == s.Sum) {
		return s, nil // the SQL contains a password, so only its checksum is stored
	}
	before, err := script.Load(file, strings.NewReader(row.SQL), nil)
	if err == nil {
		err = before.LoadStatements()
	}
	if err != nil || len(before.Statements) < r.StatementsApplied {
		return nil, &ChangedError{File: file, Applied: r.StatementsApplied}
	}
	return before, nil
}

// checkUnchanged compares the applied statements with those of the current file. The remaining
// statements may differ.
func checkUnchanged(before, s *script.Script, done int) error {
	if len(s.Statements) < done {
		return &ChangedError{File: s.Name, Applied: done}
	}
	for i := range done {
		if sqlfile.Canonical(before.Statements[i].Text) != sqlfile.Canonical(s.Statements[i].Text) {
			return changedError(before, s, done)
		}
	}
	return nil
}

// changedError returns the error for a file whose applied statements were edited.
func changedError(before, s *script.Script, done int) error {
	e := &ChangedError{File: s.Name, Applied: done, LineEndings: len(before.Statements) >= done && len(s.Statements) >= done}
	for i := 0; e.LineEndings && i < done; i++ {
		e.LineEndings = sqlfile.EqualIgnoringLineEndings(before.Statements[i].Text, s.Statements[i].Text)
	}
	return e
}

// isApplied queries the catalogs for the effect of a statement. A statement that can safely run
// twice is reported as not applied.
func (resumer *Resumer) isApplied(ctx context.Context, st script.Statement, t *LeftoverLookup) (applied, known bool, err error) {
	switch n := st.Node.Node.(type) {
	case *pgquery.Node_IndexStmt:
		if n.IndexStmt.Idxname == "" {
			if t == nil || t.Kind != leftoverIndex || t.Name != "" { // run by an older release
				return false, false, nil
			}
			applied, err = resumer.indexBuilt(ctx, t)
			return applied, err == nil, err
		}
		_, applied, err = resumer.FindIndex(ctx, n.IndexStmt)
		return applied, err == nil, err
	case *pgquery.Node_DropStmt:
		name := syntax.OnlyDropName(n.DropStmt.Objects)
		if name == "" {
			return false, false, nil
		}
		err = resumer.session.QueryRow(ctx, "SELECT to_regclass($1) IS NULL", name).Scan(&applied)
		return applied, err == nil, resumer.session.ClassifyError(ctx, err)
	case *pgquery.Node_AlterEnumStmt:
		e := n.AlterEnumStmt
		err = resumer.session.QueryRow(ctx, `SELECT to_regtype($1) IS NOT NULL,
				EXISTS (SELECT FROM pg_catalog.pg_enum WHERE enumtypid = to_regtype($1) AND enumlabel = $2)
				AND ($3 = '' OR NOT EXISTS (SELECT FROM pg_catalog.pg_enum WHERE enumtypid = to_regtype($1) AND enumlabel = $3))`,
			syntax.QuoteName(e.TypeName), e.NewVal, e.OldVal).Scan(&known, &applied)
		return applied, known && err == nil, resumer.session.ClassifyError(ctx, err)
	case *pgquery.Node_AlterTableStmt:
		if !syntax.DetachesConcurrently(n.AlterTableStmt) || resumer.session.Server.VersionNum < 140000 {
			return false, false, nil
		}
		parent, child := n.AlterTableStmt.Relation, n.AlterTableStmt.Cmds[0].GetAlterTableCmd().GetDef().GetPartitionCmd().GetName()
		err = resumer.session.QueryRow(ctx, `SELECT to_regclass($1) IS NOT NULL AND to_regclass($2) IS NOT NULL,
				NOT EXISTS (SELECT FROM pg_catalog.pg_inherits WHERE inhparent = to_regclass($1) AND inhrelid = to_regclass($2))`,
			syntax.QuoteQualified(parent.GetSchemaname(), parent.GetRelname()), syntax.QuoteQualified(child.GetSchemaname(), child.GetRelname())).Scan(&known, &applied)
		return applied, known && err == nil, resumer.session.ClassifyError(ctx, err)
	case *pgquery.Node_ReindexStmt, *pgquery.Node_VacuumStmt, *pgquery.Node_ClusterStmt,
		*pgquery.Node_AlterSystemStmt, *pgquery.Node_AlterDatabaseStmt, *pgquery.Node_DiscardStmt:
		return false, true, nil
	}
	return false, false, nil
}

// FindIndex returns the index that a CREATE INDEX names: its quoted name, or "" if it does not
// exist, and whether it is valid.
func (resumer *Resumer) FindIndex(ctx context.Context, st *pgquery.IndexStmt) (name string, valid bool, err error) {
	err = resumer.session.QueryRow(ctx, `SELECT i.indexrelid::regclass::text, i.indisvalid
		FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
		WHERE i.indrelid = to_regclass($1) AND c.relname = $2`, syntax.QuoteQualified(st.Relation.Schemaname, st.Relation.Relname), st.Idxname).Scan(&name, &valid)
	if errors.Is(err, sql.ErrNoRows) {
		return "", false, nil
	}
	return name, valid, resumer.session.ClassifyError(ctx, err)
}
