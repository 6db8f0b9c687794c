package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/lib/pq"
	pgquery "github.com/pganalyze/pg_query_go/v6"

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
func (db *DB) ResumePoint(ctx context.Context, file string, open func() (io.ReadCloser, error), r Run) (done int, err error) {
	s, err := loadFile(file, open)
	if err != nil {
		return 0, err
	}
	row, err := db.readInterruptedRow(ctx, r)
	if err != nil {
		return 0, err
	}
	before, err := executedScript(s, file, r, row)
	if err != nil {
		return 0, err
	}
	if !before.isCountable() && r.Outcome == RunPartiallyApplied && r.StatementsApplied == 0 && row.leftover == "" { // written by an older release
		return 0, before.unknownOutcome(0, r)
	}
	if r.StatementsApplied > 0 {
		if err := s.loadStatements(); err != nil {
			return 0, err
		}
		if err := checkUnchanged(before, s, r.StatementsApplied); err != nil {
			return 0, err
		}
	}
	done, err = db.appliedStatements(ctx, before, s, r, row)
	if err != nil || done == 0 {
		return done, err
	}
	restore, err := db.sessionAt(ctx, s, r, row, done)
	if err == nil && restore != "" { // report now a setting that the server rejects
		err = db.asSessionStateError(s, r, done, db.inRestoredSession(ctx, restore, func() error { return nil }))
	}
	return done, err
}

// appliedStatements determines whether the statement that ran last was applied. It uses the script
// that ran, not the current file.
func (db *DB) appliedStatements(ctx context.Context, before, s *Script, r Run, row interruptedRow) (done int, err error) {
	if r.Outcome != RunRunning || r.StatementsApplied >= len(before.Statements) || row.transactional && before.Transactional {
		return r.StatementsApplied, nil
	}
	st := before.Statements[r.StatementsApplied]
	p, uncertain := before.uncertainBlock(r.StatementsApplied)
	if !uncertain {
		return r.StatementsApplied, nil
	}
	var applied, known bool
	// A script whose statements are not counted may have run past its first statement, and in a
	// transaction of several statements a later one may have reverted the first.
	if before.isCountable() && p.last-p.first == 1 {
		var restore string
		if restore, err = db.sessionAt(ctx, before, r, row, r.StatementsApplied); err != nil {
			return 0, err
		}
		err = db.asSessionStateError(before, r, r.StatementsApplied, db.inRestoredSession(ctx, restore, func() (err error) {
			t := storedLookup(row)
			if t != nil && t.Statement != r.StatementsApplied+1 {
				t = nil
			}
			if t == nil && row.session != "" && st.concurrent != nil {
				known = true // its leftover is recorded before it starts
				return nil
			}
			applied, known, err = db.isApplied(ctx, st, t)
			return err
		}))
	}
	switch {
	case err != nil:
		return 0, err
	case !known:
		return 0, before.unknownOutcome(r.StatementsApplied, r)
	case applied && (r.StatementsApplied >= len(s.Statements) || sqlfile.Canonical(s.Statements[r.StatementsApplied].Text) != sqlfile.Canonical(st.Text)):
		return 0, changedError(before, s, r.StatementsApplied+1)
	case applied:
		return r.StatementsApplied + 1, nil
	}
	return r.StatementsApplied, nil
}

func (s *Script) unknownOutcome(i int, r Run) error {
	st := s.Statements[i]
	return &UnknownOutcomeError{
		File: s.Name, Statement: st.Text, Line: s.lineOf(st),
		Number: i + 1, Total: len(s.Statements), Version: r.Version, Uncounted: !s.isCountable(),
	}
}

// asSessionStateError converts the server's error about a session state to a *SessionStateError.
func (db *DB) asSessionStateError(s *Script, r Run, done int, err error) error {
	var refused *restoreError
	if errors.As(err, &refused) && done < len(s.Statements) {
		return db.newSessionStateError(s, r, done, nil, refused.err)
	}
	return err
}

// executedScript returns the script as the history table stores it, or s if only its checksum is
// stored.
func executedScript(s *Script, file string, r Run, row interruptedRow) (*Script, error) {
	if row.sql == "" && (r.StatementsApplied == 0 || r.Direction == "up" && r.Checksum == s.sum) {
		return s, nil // the SQL contains a password, so only its checksum is stored
	}
	before, err := load(file, strings.NewReader(row.sql), nil)
	if err == nil {
		err = before.loadStatements()
	}
	if err != nil || len(before.Statements) < r.StatementsApplied {
		return nil, &ChangedError{File: file, Applied: r.StatementsApplied}
	}
	return before, nil
}

// loadStatements loads a streamed script into memory, so that its remaining statements can be run
// one by one.
func (s *Script) loadStatements() error {
	if s.stream == nil {
		if !s.Parsed {
			return &ScriptError{File: s.Name, Problem: "it is partially applied, and its current content cannot be parsed, so the remaining statements cannot be determined"}
		}
		return nil
	}
	var text []byte
	err := withFile(s.Name, s.stream.open, func(from io.Reader) (err error) {
		if text, err = io.ReadAll(io.LimitReader(from, maxInMemoryBytes+1)); err == nil && len(text) > maxInMemoryBytes {
			err = fmt.Errorf("it is partially applied, and is now larger than %d MB, so the remaining statements cannot be determined", maxInMemoryBytes>>20)
		}
		return err
	})
	if err != nil {
		return fileError(s.Name, err)
	}
	held, err := splitFile(s.Name, text, s.Directives)
	if err != nil {
		return fileError(s.Name, err)
	}
	held.sum = s.sum
	*s = *held
	return nil
}

// checkUnchanged compares the applied statements with those of the current file. The remaining
// statements may differ.
func checkUnchanged(before, s *Script, done int) error {
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
func changedError(before, s *Script, done int) error {
	e := &ChangedError{File: s.Name, Applied: done, LineEndings: len(before.Statements) >= done && len(s.Statements) >= done}
	for i := 0; e.LineEndings && i < done; i++ {
		e.LineEndings = sqlfile.EqualIgnoringLineEndings(before.Statements[i].Text, s.Statements[i].Text)
	}
	return e
}

// uncertainBlock returns the transaction block that begins with statement first and reports whether it may have
// been applied without being counted; see countBlock.
func (s *Script) uncertainBlock(first int) (txBlock, bool) {
	i := slices.IndexFunc(s.txBlocks(), func(p txBlock) bool { return p.first == first })
	if i < 0 {
		return txBlock{}, false
	}
	p := s.txBlocks()[i]
	last := s.Statements[p.last-1]
	switch {
	case !s.isCountable(), s.isReadOnly(), s.isSingleStatement():
		return p, true
	case p.openAfter:
		return p, false // its COMMIT is counted
	case last.isCommit:
		return p, false
	case last.control != controlNone:
		return p, last.node.GetTransactionStmt().GetKind() == pgquery.TransactionStmtKind_TRANS_STMT_PREPARE
	}
	return p, p.last-p.first == 1 && (last.refusesTransaction || last.mayCommit || last.unparsed)
}

// isApplied queries the catalogs for the effect of a statement. A statement that can safely run
// twice is reported as not applied.
func (db *DB) isApplied(ctx context.Context, st Statement, t *leftoverLookup) (applied, known bool, err error) {
	switch n := st.node.Node.(type) {
	case *pgquery.Node_IndexStmt:
		if n.IndexStmt.Idxname == "" {
			if t == nil || t.Kind != leftoverIndex || t.Name != "" { // run by an older release
				return false, false, nil
			}
			applied, err = db.indexBuilt(ctx, t)
			return applied, err == nil, err
		}
		_, applied, err = db.findIndex(ctx, n.IndexStmt)
		return applied, err == nil, err
	case *pgquery.Node_DropStmt:
		name := onlyDropName(n.DropStmt.Objects)
		if name == "" {
			return false, false, nil
		}
		err = db.queryRow(ctx, "SELECT to_regclass($1) IS NULL", name).Scan(&applied)
		return applied, err == nil, db.classifyError(ctx, err)
	case *pgquery.Node_AlterEnumStmt:
		e := n.AlterEnumStmt
		err = db.queryRow(ctx, `SELECT to_regtype($1) IS NOT NULL,
				EXISTS (SELECT FROM pg_catalog.pg_enum WHERE enumtypid = to_regtype($1) AND enumlabel = $2)
				AND ($3 = '' OR NOT EXISTS (SELECT FROM pg_catalog.pg_enum WHERE enumtypid = to_regtype($1) AND enumlabel = $3))`,
			quoteName(e.TypeName), e.NewVal, e.OldVal).Scan(&known, &applied)
		return applied, known && err == nil, db.classifyError(ctx, err)
	case *pgquery.Node_AlterTableStmt:
		if !detachesConcurrently(n.AlterTableStmt) || db.Server.versionNum < 140000 {
			return false, false, nil
		}
		parent, child := n.AlterTableStmt.Relation, n.AlterTableStmt.Cmds[0].GetAlterTableCmd().GetDef().GetPartitionCmd().GetName()
		err = db.queryRow(ctx, `SELECT to_regclass($1) IS NOT NULL AND to_regclass($2) IS NOT NULL,
				NOT EXISTS (SELECT FROM pg_catalog.pg_inherits WHERE inhparent = to_regclass($1) AND inhrelid = to_regclass($2))`,
			quoteQualified(parent.GetSchemaname(), parent.GetRelname()), quoteQualified(child.GetSchemaname(), child.GetRelname())).Scan(&known, &applied)
		return applied, known && err == nil, db.classifyError(ctx, err)
	case *pgquery.Node_ReindexStmt, *pgquery.Node_VacuumStmt, *pgquery.Node_ClusterStmt,
		*pgquery.Node_AlterSystemStmt, *pgquery.Node_AlterDatabaseStmt, *pgquery.Node_DiscardStmt:
		return false, true, nil
	}
	return false, false, nil
}

// onlyDropName returns the quoted name of a DROP with one object.
func onlyDropName(objects []*pgquery.Node) string {
	if len(objects) != 1 {
		return ""
	}
	return quoteName(objects[0].GetList().GetItems())
}

// quoteName writes a name, qualified or not, as SQL.
func quoteName(name []*pgquery.Node) string {
	var parts []string
	for _, n := range name {
		parts = append(parts, pq.QuoteIdentifier(n.GetString_().GetSval()))
	}
	return strings.Join(parts, ".")
}

func quoteQualified(schema, name string) string {
	if schema == "" {
		return pq.QuoteIdentifier(name)
	}
	return pq.QuoteIdentifier(schema) + "." + pq.QuoteIdentifier(name)
}

// SetVersion writes the version that the user specifies and records it in the history table.
func (db *DB) SetVersion(ctx context.Context, to State, r Run) error {
	r.Started = time.Now()
	err := db.writeHistory(ctx, db.insertRunSQL(r)+db.writeVersionSQL(to))
	if err == nil {
		db.versionTableExists, db.historyExists = true, !db.historyUnavailable
	}
	return err
}
