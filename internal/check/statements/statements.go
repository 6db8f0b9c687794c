// Package statements applies the rules of migrator check that are about what statements do to a
// running application.
//
// Check reads the up files in order and keeps the schema that they define (package model), the locks
// that each transaction holds (package locks), and what it has found. Only the statements of new
// files are checked; tables that new files create are not in use yet, and so cause no finding.
package statements

import (
	"bytes"
	"errors"
	"io"
	"slices"

	pgquery "github.com/pganalyze/pg_query_go/v6"

	"github.com/shiplock/shiplock/internal/check/finding"
	"github.com/shiplock/shiplock/internal/check/locks"
	"github.com/shiplock/shiplock/internal/check/model"
	"github.com/shiplock/shiplock/internal/lint/compatibility"
	"github.com/shiplock/shiplock/internal/script"
	"github.com/shiplock/shiplock/internal/source"
)

// Check returns the findings of the new files. files are all up files by version, and postgres is
// the major version of the server.
func Check(files []File, postgres int) ([]finding.Finding, error) {
	c := &checker{schema: model.New(), postgres: postgres, compatible: map[place]bool{}}
	for _, f := range files {
		c.checkFile(f)
	}
	c.unindexedForeignKeys()
	if err := c.incompatibleChanges(files); err != nil {
		return nil, err
	}
	return c.findings, nil
}

func (c *checker) checkFile(f File) {
	c.file, c.tx = f, transaction{}
	c.schema.StartFile()
	for i, st := range f.Script.Statements {
		c.index, c.statement = i, st
		n := st.Tree()
		c.locks = locks.Of(n, c.schema)
		c.beginOrEnd(n)
		if f.New {
			c.check(n)
			c.checkTransaction(n)
		}
		c.hold(n)
		c.schema.Apply(n, f.New)
		if f.Script.Autocommit && !c.tx.explicit {
			c.tx = transaction{}
		}
	}
}

// beginOrEnd follows the statements that begin or end a transaction.
func (c *checker) beginOrEnd(n *pgquery.Node) {
	switch n.GetTransactionStmt().GetKind() {
	case pgquery.TransactionStmtKind_TRANS_STMT_BEGIN, pgquery.TransactionStmtKind_TRANS_STMT_START:
		c.tx.explicit = true
	case pgquery.TransactionStmtKind_TRANS_STMT_COMMIT, pgquery.TransactionStmtKind_TRANS_STMT_ROLLBACK, pgquery.TransactionStmtKind_TRANS_STMT_PREPARE:
		c.tx = transaction{explicit: n.GetTransactionStmt().GetChain()}
	}
}

// hold records the locks and enum values of the statement for those after it.
func (c *checker) hold(n *pgquery.Node) {
	if c.tx.held == nil {
		c.tx.held, c.tx.values = map[*model.Table]heldLock{}, map[string]bool{}
	}
	for t, m := range c.locks {
		if m > c.tx.held[t].mode {
			c.tx.held[t] = heldLock{m, c.line()}
		}
	}
	if e := n.GetAlterEnumStmt(); e != nil && e.NewVal != "" && e.OldVal == "" && !c.schema.IsNewType(e.TypeName) {
		c.tx.values[e.NewVal] = true
	}
}

// unindexedForeignKeys reports the new foreign keys that no index covers after the last file.
func (c *checker) unindexedForeignKeys() {
	for _, k := range c.foreignKeys {
		if k.table.Known && !k.table.New && !k.table.IsIndexed(k.columns) {
			c.findings = append(c.findings, k.at)
		}
	}
}

// incompatibleChanges reports what package compatibility finds in the new files.
func (c *checker) incompatibleChanges(files []File) error {
	var checked []compatibility.File
	newFiles := slices.DeleteFunc(slices.Clone(files), func(f File) bool { return !f.New })
	for _, f := range newFiles {
		text := []byte(f.Script.Text)
		checked = append(checked, compatibility.File{Name: f.Name, Direction: source.Up, MinCompatibleVersion: f.Script.Directives.MinCompatibleVersion,
			Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(text)), nil }})
	}
	changes, err := compatibility.Changes(checked)
	var unusable *script.ScriptError
	if err != nil && !errors.As(err, &unusable) {
		return err
	}
	for _, change := range changes {
		f := newFiles[change.File]
		index := slices.IndexFunc(f.Script.Statements, func(st script.Statement) bool { return f.Script.LineOf(st) == change.Line })
		if c.compatible[place{f.Name, index}] {
			continue
		}
		c.findings = append(c.findings, finding.Finding{Rule: finding.IncompatibleChange, File: f.Name, Line: change.Line, Statement: index,
			Message: change.Text + "; the version of the application that still runs may need it unchanged"})
	}
	return nil
}
