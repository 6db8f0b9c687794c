package statements

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"

	pgquery "github.com/pganalyze/pg_query_go/v6"

	"github.com/shiplock/shiplock/internal/check/finding"
	"github.com/shiplock/shiplock/internal/check/model"
	"github.com/shiplock/shiplock/internal/script/syntax"
)

// check applies the rules that need only the statement and the schema.
func (c *checker) check(n *pgquery.Node) {
	switch st := n.GetNode().(type) {
	case *pgquery.Node_IndexStmt:
		c.createIndex(st.IndexStmt)
	case *pgquery.Node_AlterTableStmt:
		c.alterTable(st.AlterTableStmt)
	case *pgquery.Node_DropStmt:
		c.drop(st.DropStmt)
	case *pgquery.Node_ReindexStmt:
		if !syntax.HasOption(st.ReindexStmt.Params, "concurrently") && !c.allNew() {
			c.report(finding.ReindexNotConcurrent, strings.TrimSuffix(concurrently.ReplaceAllString(c.statement.Text, "${1} CONCURRENTLY"), ";")+";",
				"REINDEX blocks writes to the table while it rebuilds the indexes, and queries that use them")
		}
	case *pgquery.Node_RefreshMatViewStmt:
		if t := c.schema.Table(st.RefreshMatViewStmt.Relation); !t.New && !st.RefreshMatViewStmt.Concurrent {
			c.reportLock(finding.RefreshNotConcurrent, t, c.replaceFirst("refresh materialized view", "REFRESH MATERIALIZED VIEW CONCURRENTLY"), "REFRESH blocks reads of %s while its query runs", t.Name)
		}
	case *pgquery.Node_VacuumStmt, *pgquery.Node_ClusterStmt:
		c.compaction(n)
	case *pgquery.Node_TruncateStmt:
		c.truncate(st.TruncateStmt)
	case *pgquery.Node_DeleteStmt:
		c.write(st.DeleteStmt.Relation, st.DeleteStmt.WhereClause, "DELETE")
	case *pgquery.Node_UpdateStmt:
		c.write(st.UpdateStmt.Relation, st.UpdateStmt.WhereClause, "UPDATE")
	case *pgquery.Node_LockStmt:
		for _, r := range st.LockStmt.Relations {
			if t := c.schema.Table(r.GetRangeVar()); !t.New && c.locks[t].BlocksWrites() {
				c.reportLock(finding.ExplicitLock, t, "", "LOCK TABLE blocks %s on %s until the end of the transaction", c.locks[t].Blocks(), t.Name)
			}
		}
	case *pgquery.Node_VariableSetStmt:
		c.set(st.VariableSetStmt)
	case *pgquery.Node_AlterDomainStmt:
		c.alterDomain(st.AlterDomainStmt)
	case *pgquery.Node_RenameStmt:
		c.rename(st.RenameStmt)
	case *pgquery.Node_AlterEnumStmt:
		if e := st.AlterEnumStmt; e.OldVal != "" && !c.schema.IsNewType(e.TypeName) && !c.declaresCompatibility() {
			c.report(finding.IncompatibleChange, "", "the value '%s' is renamed to '%s', and the version of the application that still runs may use it", e.OldVal, e.NewVal)
		}
	case *pgquery.Node_AlterObjectSchemaStmt:
		if t := c.schema.Table(st.AlterObjectSchemaStmt.Relation); t != nil && !t.New && !c.declaresCompatibility() {
			c.report(finding.IncompatibleChange, "", "%s moves to schema %s, and the version of the application that still runs may use it by its old name", t.Name, st.AlterObjectSchemaStmt.Newschema)
		}
	case *pgquery.Node_DropdbStmt:
		c.report(finding.DataLoss, "", "DROP DATABASE deletes database %s", st.DropdbStmt.Dbname)
	case *pgquery.Node_DoStmt:
		if concurrentInBlock.MatchString(c.statement.Text) {
			c.report(finding.ConcurrentlyFails, "", "CONCURRENTLY cannot run in a DO block; write the statement into the file")
		}
	}
}

var (
	concurrently      = regexp.MustCompile(`(?i)^(reindex\s+(?:\([^)]*\)\s*)?(?:table|index|schema|database|system))`)
	concurrentInBlock = regexp.MustCompile(`(?i)\b(create\s+(unique\s+)?index|drop\s+index|reindex\s+\w+)\s+concurrently\b`)
)

// allNew reports whether the statement locks only tables that new files create.
func (c *checker) allNew() bool {
	for t := range c.locks {
		if !t.New {
			return false
		}
	}
	return len(c.locks) > 0
}

func (c *checker) createIndex(st *pgquery.IndexStmt) {
	t := c.schema.Table(st.Relation)
	switch {
	case st.Concurrent && c.tx.explicit:
		c.report(finding.ConcurrentlyFails, "", "CREATE INDEX CONCURRENTLY cannot run between BEGIN and COMMIT; remove these")
	case st.Concurrent && t.Kind == model.Partitioned && st.Relation.GetInh():
		c.report(finding.ConcurrentlyFails, "", "CREATE INDEX CONCURRENTLY is not possible on the partitioned table %s; create the index on ONLY %[1]s, build it concurrently on each partition, and attach those with ALTER INDEX", t.Name)
	case st.Concurrent && st.Idxname == "":
		c.report(finding.UnnamedConcurrentIndex, c.replaceFirst("create index concurrently", "CREATE INDEX CONCURRENTLY "+t.Name+"_idx"),
			"the index has no name, so the migrator cannot drop the invalid index that a failed build leaves, and a retry creates a second one")
	case !st.Concurrent && !t.New && (t.Kind != model.Partitioned || st.Relation.GetInh()):
		instead := cmp.Or(c.replaceFirst("create unique index", "CREATE UNIQUE INDEX CONCURRENTLY"), c.replaceFirst("create index", "CREATE INDEX CONCURRENTLY"))
		if t.Kind == model.Partitioned {
			instead = fmt.Sprintf("create the index on ONLY %s, build it concurrently on each partition, and attach those with ALTER INDEX", t.Name)
		}
		c.reportLock(finding.IndexNotConcurrent, t, instead, "CREATE INDEX blocks writes to %s while it reads every row", t.Name)
	}
}

// compaction checks VACUUM FULL and CLUSTER.
func (c *checker) compaction(n *pgquery.Node) {
	if v := n.GetVacuumStmt(); v != nil {
		if !syntax.HasOption(v.Options, "full") || c.allNew() {
			return
		}
		for t := range c.locks {
			c.reportLock(finding.TableRewrite, t, "VACUUM "+t.Name+";", "VACUUM FULL copies %s while reads and writes wait", t.Name)
		}
		if len(c.locks) == 0 {
			c.report(finding.TableRewrite, "VACUUM;", "VACUUM FULL copies every table of the database while reads and writes of it wait")
		}
		return
	}
	t := c.schema.Table(n.GetClusterStmt().GetRelation())
	if t == nil {
		c.report(finding.TableRewrite, "", "CLUSTER copies every clustered table of the database while reads and writes of it wait")
	} else if !t.New {
		c.reportLock(finding.TableRewrite, t, "", "CLUSTER copies %s while reads and writes wait", t.Name)
	}
}

func (c *checker) truncate(st *pgquery.TruncateStmt) {
	for _, r := range st.Relations {
		t := c.schema.Table(r.GetRangeVar())
		switch {
		case t.New:
		case st.Behavior == pgquery.DropBehavior_DROP_CASCADE:
			c.reportLock(finding.TruncateCascade, t, "", "TRUNCATE CASCADE deletes all rows of %s, and of every table with a foreign key to it", t.Name)
		default:
			c.reportLock(finding.DataLoss, t, "", "TRUNCATE deletes all rows of %s", t.Name)
		}
	}
}

// write checks an UPDATE or DELETE for a condition that limits its rows.
func (c *checker) write(rel *pgquery.RangeVar, where *pgquery.Node, word string) {
	t := c.schema.Table(rel)
	switch {
	case t.New || limitsRows(where):
	case where.GetNode() == nil && word == "DELETE":
		c.report(finding.DataLoss, "", "DELETE without WHERE deletes all rows of %s", t.Name)
	default:
		c.reportLock(finding.UnbatchedWrite, t, "", "%s changes many rows of %s in one transaction and holds the lock of each row until the end", word, t.Name)
	}
}

// limitsRows reports whether a condition compares a column with a constant, other than a negation,
// so that the number of rows is likely to be small.
func limitsRows(where *pgquery.Node) bool {
	switch n := where.GetNode().(type) {
	case *pgquery.Node_AExpr:
		e := n.AExpr
		switch e.Kind {
		case pgquery.A_Expr_Kind_AEXPR_OP:
			return syntax.LastName(e.Name) == "=" && (isConstant(e.Lexpr) || isConstant(e.Rexpr))
		case pgquery.A_Expr_Kind_AEXPR_IN:
			return syntax.LastName(e.Name) == "=" && e.Rexpr.GetList() != nil
		case pgquery.A_Expr_Kind_AEXPR_BETWEEN:
			return true
		}
	case *pgquery.Node_BoolExpr:
		limited := 0
		for _, arg := range n.BoolExpr.Args {
			if limitsRows(arg) {
				limited++
			}
		}
		switch n.BoolExpr.Boolop {
		case pgquery.BoolExprType_AND_EXPR:
			return limited > 0
		case pgquery.BoolExprType_OR_EXPR:
			return limited == len(n.BoolExpr.Args)
		}
	}
	return false
}

func isConstant(n *pgquery.Node) bool {
	if cast := n.GetTypeCast(); cast != nil {
		return isConstant(cast.Arg)
	}
	return n.GetAConst() != nil || n.GetParamRef() != nil
}

func (c *checker) set(st *pgquery.VariableSetStmt) {
	value := ""
	if len(st.Args) > 0 {
		value = st.Args[0].GetAConst().GetSval().GetSval()
		if st.Args[0].GetAConst().GetSval() == nil {
			value = fmt.Sprint(st.Args[0].GetAConst().GetIval().GetIval())
		}
	}
	switch {
	case st.Name == "lock_timeout" && strings.Trim(value, "0ms in") == "":
		c.report(finding.LockTimeoutDisabled, "", "lock_timeout is disabled, so a statement that waits for a lock makes all later queries wait behind it; remove the statement: the migrator sets lock_timeout")
	case st.Name == "session_replication_role" && value == "replica":
		c.report(finding.TriggerDisabled, "", "session_replication_role = replica disables triggers and foreign keys, so rows written by this migration are not checked")
	}
}

func (c *checker) alterDomain(st *pgquery.AlterDomainStmt) {
	if c.schema.IsNewType(st.TypeName) {
		return
	}
	name := syntax.LastName(st.TypeName)
	con := st.Def.GetConstraint()
	switch {
	case con != nil && !con.SkipValidation:
		c.report(finding.DomainConstraintValidation, c.statement.Text+" NOT VALID;\n-- in the next migration:\nALTER DOMAIN "+name+" VALIDATE CONSTRAINT "+cmp.Or(con.Conname, "NAME")+";",
			"the constraint is checked against every row of every table that uses domain %s, while writes to them wait", name)
	case st.Subtype == "O":
		c.report(finding.DomainConstraintValidation, "", "SET NOT NULL reads every row of every table that uses domain %s, while writes to them wait", name)
	}
}

// rename checks what package compatibility does not: schemas, types and enum values.
func (c *checker) rename(st *pgquery.RenameStmt) {
	if c.declaresCompatibility() {
		return
	}
	switch st.RenameType {
	case pgquery.ObjectType_OBJECT_SCHEMA:
		if !c.schema.IsNewSchema(st.Subname) {
			c.report(finding.IncompatibleChange, "", "schema %s is renamed to %s, and the version of the application that still runs may use it by its old name", st.Subname, st.Newname)
		}
	case pgquery.ObjectType_OBJECT_TYPE, pgquery.ObjectType_OBJECT_DOMAIN:
		if names := st.Object.GetList().GetItems(); !c.schema.IsNewType(names) {
			c.report(finding.IncompatibleChange, "", "type %s is renamed to %s, and the version of the application that still runs may use it by its old name", syntax.LastName(names), st.Newname)
		}
	}
}

func (c *checker) drop(st *pgquery.DropStmt) {
	existing := false
	for _, o := range st.Objects {
		names := o.GetList().GetItems()
		switch st.RemoveType {
		case pgquery.ObjectType_OBJECT_TABLE:
			if t := c.schema.Table(syntax.RangeOf(names)); !t.New {
				existing = true
				c.reportLock(finding.DataLoss, t, "", "DROP TABLE deletes %s and its rows", t.Name)
			}
		case pgquery.ObjectType_OBJECT_VIEW, pgquery.ObjectType_OBJECT_MATVIEW:
			existing = existing || !c.schema.Table(syntax.RangeOf(names)).New
		case pgquery.ObjectType_OBJECT_INDEX:
			c.dropIndex(st, names)
		case pgquery.ObjectType_OBJECT_SCHEMA:
			if name := o.GetString_().GetSval(); !c.schema.IsNewSchema(name) && st.Behavior == pgquery.DropBehavior_DROP_CASCADE {
				existing = true
				c.report(finding.DataLoss, "", "DROP SCHEMA CASCADE deletes schema %s with all its tables", name)
			}
		case pgquery.ObjectType_OBJECT_TYPE, pgquery.ObjectType_OBJECT_DOMAIN:
			existing = existing || !c.schema.IsNewType(o.GetTypeName().GetNames())
		case pgquery.ObjectType_OBJECT_FUNCTION, pgquery.ObjectType_OBJECT_EXTENSION:
			existing = true
		}
	}
	if existing && st.Behavior == pgquery.DropBehavior_DROP_CASCADE {
		c.report(finding.DropCascade, "", "CASCADE also drops all objects that depend on it, which the file does not show; drop them by name first")
	}
}

func (c *checker) dropIndex(st *pgquery.DropStmt, names []*pgquery.Node) {
	ix := c.schema.Index(names)
	switch {
	case st.Concurrent && c.tx.explicit:
		c.report(finding.ConcurrentlyFails, "", "DROP INDEX CONCURRENTLY cannot run between BEGIN and COMMIT; remove these")
	case st.Concurrent || ix != nil && ix.Table.New:
	case ix != nil:
		c.reportLock(finding.DropIndexNotConcurrent, ix.Table, c.replaceFirst("drop index", "DROP INDEX CONCURRENTLY"), "DROP INDEX blocks reads and writes of %s until the end of the transaction", ix.Table.Name)
	default:
		c.report(finding.DropIndexNotConcurrent, c.replaceFirst("drop index", "DROP INDEX CONCURRENTLY"), "DROP INDEX blocks reads and writes of the index's table until the end of the transaction")
	}
}
