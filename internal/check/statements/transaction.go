package statements

import (
	"maps"
	"slices"
	"strings"

	pgquery "github.com/pganalyze/pg_query_go/v6"
	"google.golang.org/protobuf/proto"

	"github.com/shiplock/shiplock/internal/check/finding"
	"github.com/shiplock/shiplock/internal/check/locks"
	"github.com/shiplock/shiplock/internal/check/model"
	"github.com/shiplock/shiplock/internal/script/syntax"
)

// checkTransaction applies the rules that need the earlier statements of the transaction.
func (c *checker) checkTransaction(n *pgquery.Node) {
	c.enumValues(n)
	held, lock := c.strongestHeld()
	if held == nil {
		return
	}
	if work := c.longWork(n); work != "" {
		c.reportHeld(held, lock, finding.LockHeld, "%s while the lock on %s of line %d is still held, which blocks %s; put the two statements into separate migrations", work, held.Name, lock.line, lock.mode.Blocks())
		return
	}
	for _, t := range c.lockedTables() {
		m := c.locks[t]
		if _, before := c.tx.held[t]; !before && !t.New && m >= locks.ShareRowExclusive && !c.tx.several && !c.isRelated(t, held) {
			c.tx.several = true
			c.reportHeld(held, lock, finding.MultipleTablesLocked, "the statement locks %s while the transaction holds a lock on %s since line %d; put each table into its own migration", t.Name, held.Name, lock.line)
			return
		}
	}
}

// reportHeld adds a finding about a lock that an earlier statement has taken.
func (c *checker) reportHeld(t *model.Table, l heldLock, rule, format string, args ...any) {
	f := c.newFinding(rule, format, args...)
	f.Lock = &finding.Lock{Table: t.Name, Mode: l.mode.String(), Blocks: l.mode.Blocks(), HeldSinceLine: l.line}
	c.findings = append(c.findings, f)
}

// lockedTables returns the tables that the statement locks, by name.
func (c *checker) lockedTables() []*model.Table {
	return slices.SortedFunc(maps.Keys(c.locks), func(a, b *model.Table) int { return strings.Compare(a.Name, b.Name) })
}

// isRelated reports whether two tables are a partition and its parent.
func (c *checker) isRelated(a, b *model.Table) bool {
	return slices.Contains(a.Parents, b) || slices.Contains(b.Parents, a)
}

// strongestHeld returns the existing table with the strongest lock that blocks writes, by earlier
// statements of the transaction.
func (c *checker) strongestHeld() (*model.Table, heldLock) {
	var table *model.Table
	var strongest heldLock
	for t, l := range c.tx.held {
		if t.New || !l.mode.BlocksWrites() {
			continue
		}
		if table == nil || l.mode > strongest.mode || l.mode == strongest.mode && (l.line < strongest.line || l.line == strongest.line && t.Name < table.Name) {
			table, strongest = t, l
		}
	}
	return table, strongest
}

// longWork describes what a statement does whose duration grows with the number of rows of existing
// tables; "" for other statements.
func (c *checker) longWork(n *pgquery.Node) string {
	switch st := n.GetNode().(type) {
	case *pgquery.Node_UpdateStmt:
		if t := c.schema.Table(st.UpdateStmt.Relation); !t.New && !limitsRows(st.UpdateStmt.WhereClause) {
			return "UPDATE changes many rows of " + t.Name
		}
	case *pgquery.Node_DeleteStmt:
		if t := c.schema.Table(st.DeleteStmt.Relation); !t.New && !limitsRows(st.DeleteStmt.WhereClause) {
			return "DELETE removes many rows of " + t.Name
		}
	case *pgquery.Node_InsertStmt, *pgquery.Node_CreateTableAsStmt, *pgquery.Node_MergeStmt:
		if t := c.readsExisting(n); t != nil {
			return firstWord(c.statement.Text) + " reads the rows of " + t.Name
		}
	case *pgquery.Node_IndexStmt:
		if t := c.schema.Table(st.IndexStmt.Relation); !t.New && !st.IndexStmt.Concurrent {
			return "CREATE INDEX reads every row of " + t.Name
		}
	case *pgquery.Node_RefreshMatViewStmt:
		return "REFRESH MATERIALIZED VIEW runs the query of the view"
	case *pgquery.Node_ReindexStmt:
		return "REINDEX rebuilds the indexes"
	case *pgquery.Node_AlterTableStmt:
		return c.longAlterTable(st.AlterTableStmt)
	}
	return ""
}

func firstWord(sql string) string {
	word, _, _ := strings.Cut(sql, " ")
	return strings.ToUpper(word)
}

// readsExisting returns an existing table that a statement reads without a condition, or nil.
func (c *checker) readsExisting(n *pgquery.Node) *model.Table {
	var found *model.Table
	syntax.WalkNodes(n, func(m proto.Message) {
		q, ok := m.(*pgquery.SelectStmt)
		if !ok || limitsRows(q.WhereClause) {
			return
		}
		for _, from := range q.FromClause {
			if rel := from.GetRangeVar(); rel != nil && rel.Schemaname != "pg_catalog" && rel.Schemaname != "information_schema" {
				if t := c.schema.Table(rel); !t.New && c.locks[t] > locks.None {
					found = t
				}
			}
		}
	})
	return found
}

// longAlterTable describes the forms of ALTER TABLE that read or rewrite an existing table and are
// not reported otherwise.
func (c *checker) longAlterTable(st *pgquery.AlterTableStmt) string {
	t := c.schema.Table(st.Relation)
	if t.New {
		return ""
	}
	for _, n := range st.Cmds {
		if cmd := n.GetAlterTableCmd(); cmd.GetSubtype() == pgquery.AlterTableType_AT_ValidateConstraint {
			return "VALIDATE CONSTRAINT reads every row of " + t.Name
		}
	}
	return ""
}

// enumValues reports the use of a value that the transaction has added to an enum type.
func (c *checker) enumValues(n *pgquery.Node) {
	if len(c.tx.values) == 0 || n.GetAlterEnumStmt() != nil || n.GetNode() == nil {
		return
	}
	reported := false
	syntax.WalkNodes(n, func(m proto.Message) {
		if s, ok := m.(*pgquery.A_Const); ok && c.tx.values[s.GetSval().GetSval()] && !reported {
			reported = true
			c.report(finding.EnumValueUsed, "", "the transaction adds the value '%s' to an enum type, and PostgreSQL refuses its use before the transaction ends; use it in the next migration", s.GetSval().GetSval())
		}
	})
}
