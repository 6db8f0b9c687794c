package statements

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	pgquery "github.com/pganalyze/pg_query_go/v6"

	"github.com/shiplock/shiplock/internal/check/finding"
	"github.com/shiplock/shiplock/internal/check/model"
)

func (c *checker) alterTable(st *pgquery.AlterTableStmt) {
	if st.Objtype != pgquery.ObjectType_OBJECT_TABLE {
		return
	}
	t := c.schema.Table(st.Relation)
	c.compatible[place{c.file.Name, c.index}] = !slices.ContainsFunc(st.Cmds, func(n *pgquery.Node) bool { return !isDecidedHere(t, n.GetAlterTableCmd()) })
	for _, n := range st.Cmds {
		cmd := n.GetAlterTableCmd()
		if cmd.GetSubtype() == pgquery.AlterTableType_AT_AttachPartition {
			c.attachPartition(t, cmd)
		}
		if !t.New {
			c.alterTableCommand(t, cmd, len(st.Cmds) == 1)
		}
	}
}

// isDecidedHere reports whether a form of ALTER TABLE is not one for package compatibility.
func isDecidedHere(t *model.Table, cmd *pgquery.AlterTableCmd) bool {
	switch cmd.GetSubtype() {
	case pgquery.AlterTableType_AT_AlterColumnType:
		return true
	case pgquery.AlterTableType_AT_SetNotNull:
		return t.ProvesNotNull(cmd.Name)
	}
	return false
}

// alterTableCommand checks one form of ALTER TABLE on an existing table. alone reports whether the
// statement has no other.
func (c *checker) alterTableCommand(t *model.Table, cmd *pgquery.AlterTableCmd, alone bool) {
	switch cmd.GetSubtype() {
	case pgquery.AlterTableType_AT_AddColumn:
		c.addColumn(t, cmd.Def.GetColumnDef())
	case pgquery.AlterTableType_AT_AddConstraint:
		c.addConstraint(t, cmd.Def.GetConstraint(), "", alone)
	case pgquery.AlterTableType_AT_SetNotNull:
		c.setNotNull(t, cmd.Name)
	case pgquery.AlterTableType_AT_AlterColumnType:
		c.changeType(t, cmd)
	case pgquery.AlterTableType_AT_SetExpression:
		c.reportLock(finding.GeneratedColumn, t, "", "the new expression of %s.%s rewrites the table while reads and writes wait", t.Name, cmd.Name)
	case pgquery.AlterTableType_AT_AddIdentity:
	case pgquery.AlterTableType_AT_SetLogged, pgquery.AlterTableType_AT_SetUnLogged, pgquery.AlterTableType_AT_SetTableSpace, pgquery.AlterTableType_AT_SetAccessMethod:
		c.reportLock(finding.TableRewrite, t, "", "the statement copies %s while reads and writes wait", t.Name)
	case pgquery.AlterTableType_AT_DropColumn:
		c.reportLock(finding.DataLoss, t, "", "DROP COLUMN deletes the values of %s.%s", t.Name, cmd.Name)
		if cmd.Behavior == pgquery.DropBehavior_DROP_CASCADE {
			c.report(finding.DropCascade, "", "CASCADE also drops all objects that depend on the column, which the file does not show; drop them by name first")
		}
	case pgquery.AlterTableType_AT_DropConstraint:
		known := t.Constraint(cmd.Name)
		isPrimary := known != nil && known.Type == pgquery.ConstrType_CONSTR_PRIMARY || known == nil && strings.HasSuffix(cmd.Name, "_pkey")
		if isPrimary && !c.addsPrimaryKey() {
			c.reportLock(finding.PrimaryKeyDropped, t, "", "%s has no primary key after the statement: if it is published, UPDATE and DELETE fail", t.Name)
		}
	case pgquery.AlterTableType_AT_DisableTrig, pgquery.AlterTableType_AT_DisableTrigAll, pgquery.AlterTableType_AT_DisableTrigUser:
		c.reportLock(finding.TriggerDisabled, t, "", "triggers of %s are disabled for every session, and the rows written meanwhile are not checked later", t.Name)
	case pgquery.AlterTableType_AT_DetachPartition:
		if def := cmd.Def.GetPartitionCmd(); !def.GetConcurrent() && !c.schema.Table(def.GetName()).New && t.Default() == nil {
			c.reportLock(finding.DetachNotConcurrent, t, c.statement.Text+" CONCURRENTLY;", "DETACH PARTITION blocks reads and writes of %s until the end of the transaction", t.Name)
		} else if def.GetConcurrent() && c.tx.explicit {
			c.report(finding.ConcurrentlyFails, "", "DETACH PARTITION CONCURRENTLY cannot run between BEGIN and COMMIT; remove these")
		}
	}
}

// addsPrimaryKey reports whether the statement also adds a primary key.
func (c *checker) addsPrimaryKey() bool {
	for _, n := range c.statement.Tree().GetAlterTableStmt().GetCmds() {
		if cmd := n.GetAlterTableCmd(); cmd.GetDef().GetConstraint().GetContype() == pgquery.ConstrType_CONSTR_PRIMARY {
			return true
		}
	}
	return false
}

func (c *checker) addColumn(t *model.Table, def *pgquery.ColumnDef) {
	column := t.Name + "." + def.Colname
	typeName := baseType(def.TypeName)
	hasDefault := false
	if strings.HasSuffix(typeName, "serial") {
		hasDefault = true
		c.reportLock(finding.VolatileDefault, t, "", "a new %s column computes a value for each row, which rewrites %s while reads and writes wait", typeName, t.Name)
	}
	if typeName == "json" {
		c.report(finding.JSONColumn, "", "%s has type json, which has no equality operator, so that SELECT DISTINCT on the table fails; use jsonb", column)
	}
	for _, n := range def.Constraints {
		switch con := n.GetConstraint(); con.GetContype() {
		case pgquery.ConstrType_CONSTR_DEFAULT:
			hasDefault = true
			if function := volatileFunction(con.RawExpr); function != "" {
				c.reportLock(finding.VolatileDefault, t, fmt.Sprintf("ALTER TABLE %s ADD COLUMN %s %s;\nALTER TABLE %[1]s ALTER COLUMN %[2]s SET DEFAULT %[4]s(…);", t.Name, def.Colname, typeName, function),
					"%s() is volatile, so the new column %s rewrites the table while reads and writes wait", function, column)
			}
		case pgquery.ConstrType_CONSTR_IDENTITY:
			hasDefault = true
			c.reportLock(finding.VolatileDefault, t, "", "a new identity column computes a value for each row, which rewrites %s while reads and writes wait", t.Name)
		case pgquery.ConstrType_CONSTR_GENERATED:
			hasDefault = true
			c.reportLock(finding.GeneratedColumn, t, "", "the stored generated column %s computes a value for each row, which rewrites the table while reads and writes wait", column)
		}
	}
	for _, n := range def.Constraints {
		con := n.GetConstraint()
		if con.GetContype() == pgquery.ConstrType_CONSTR_FOREIGN && !hasDefault {
			c.remember(t, con, def.Colname) // PostgreSQL skips the validation: every value is NULL
			continue
		}
		c.addConstraint(t, con, def.Colname, false)
	}
}

// addConstraint checks a new constraint; column is set for that of a column.
func (c *checker) addConstraint(t *model.Table, con *pgquery.Constraint, column string, alone bool) {
	name := cmp.Or(con.Conname, "NAME")
	validate := ""
	if alone {
		validate = c.statement.Text + " NOT VALID;\n-- in the next migration:\nALTER TABLE " + t.Name + " VALIDATE CONSTRAINT " + name + ";"
	}
	switch con.Contype {
	case pgquery.ConstrType_CONSTR_FOREIGN:
		c.remember(t, con, column)
		if con.SkipValidation {
			return
		}
		if t.Kind == model.Partitioned && c.postgres < 18 {
			validate = "add the foreign key to each partition with NOT VALID and validate it, then add it to " + t.Name
		}
		c.reportLock(finding.ForeignKeyValidation, t, validate, "the foreign key is compared with every row of %s, while writes to it and to %s wait", t.Name, c.schema.Table(con.Pktable).Name)
	case pgquery.ConstrType_CONSTR_CHECK:
		if !con.SkipValidation {
			c.reportLock(finding.CheckValidation, t, validate, "the CHECK constraint is compared with every row of %s, while reads and writes wait", t.Name)
		}
	case pgquery.ConstrType_CONSTR_EXCLUSION:
		c.reportLock(finding.ExclusionConstraint, t, "", "the exclusion constraint builds an index of %s while reads and writes wait, and cannot be built concurrently", t.Name)
	case pgquery.ConstrType_CONSTR_PRIMARY, pgquery.ConstrType_CONSTR_UNIQUE:
		kind := map[pgquery.ConstrType]string{pgquery.ConstrType_CONSTR_PRIMARY: "PRIMARY KEY", pgquery.ConstrType_CONSTR_UNIQUE: "UNIQUE"}[con.Contype]
		if con.Indexname == "" {
			c.reportLock(finding.ConstraintIndex, t, constraintWithIndex(t, con, kind), "%s builds an index of %s while reads and writes wait", kind, t.Name)
			return
		}
		if ix := c.schema.Index([]*pgquery.Node{pgquery.MakeStrNode(con.Indexname)}); ix != nil && con.Contype == pgquery.ConstrType_CONSTR_PRIMARY {
			for _, name := range ix.Columns {
				if col := t.Columns[name]; col != nil && !col.NotNull {
					c.setNotNull(t, name)
				}
			}
		}
	}
}

// constraintWithIndex returns the statements that build the index of a constraint concurrently.
func constraintWithIndex(t *model.Table, con *pgquery.Constraint, kind string) string {
	var columns []string
	for _, k := range con.Keys {
		columns = append(columns, k.GetString_().GetSval())
	}
	if len(columns) == 0 {
		return ""
	}
	name := cmp.Or(con.Conname, "NAME")
	return fmt.Sprintf("CREATE UNIQUE INDEX CONCURRENTLY %s ON %s (%s);\n-- in the next migration:\nALTER TABLE %[2]s ADD CONSTRAINT %[1]s %[4]s USING INDEX %[1]s;", name, t.Name, strings.Join(columns, ", "), kind)
}

// remember stores a new foreign key, until all indexes are known.
func (c *checker) remember(t *model.Table, con *pgquery.Constraint, column string) {
	var columns []string
	for _, k := range con.FkAttrs {
		columns = append(columns, k.GetString_().GetSval())
	}
	if len(columns) == 0 {
		columns = []string{column}
	}
	at := c.newFinding(finding.UnindexedForeignKey, "no index begins with the columns of the foreign key (%s) of %s, so each DELETE in %s reads the whole table",
		strings.Join(columns, ", "), t.Name, c.schema.Table(con.Pktable).Name)
	at.Instead = fmt.Sprintf("CREATE INDEX CONCURRENTLY %s_%s_idx ON %s (%s);", strings.ReplaceAll(t.Name, ".", "_"), strings.Join(columns, "_"), t.Name, strings.Join(columns, ", "))
	c.foreignKeys = append(c.foreignKeys, foreignKey{t, columns, at})
}

func (c *checker) setNotNull(t *model.Table, column string) {
	if known := t.Columns[column]; known != nil && known.NotNull || t.ProvesNotNull(column) {
		return
	}
	name := strings.ReplaceAll(t.Name, ".", "_") + "_" + column + "_not_null"
	instead := fmt.Sprintf("ALTER TABLE %s ADD CONSTRAINT %s CHECK (%s IS NOT NULL) NOT VALID;\n-- in the next migration:\nALTER TABLE %[1]s VALIDATE CONSTRAINT %[2]s;\n-- in the one after it:\nALTER TABLE %[1]s ALTER COLUMN %[3]s SET NOT NULL;\nALTER TABLE %[1]s DROP CONSTRAINT %[2]s;", t.Name, name, column)
	c.reportLock(finding.NotNullScan, t, instead, "NOT NULL reads every row of %s for a NULL in %s while reads and writes wait", t.Name, column)
}

func (c *checker) changeType(t *model.Table, cmd *pgquery.AlterTableCmd) {
	def := cmd.Def.GetColumnDef()
	var old *pgquery.TypeName
	if known := t.Columns[cmd.Name]; known != nil {
		old = known.Type
	}
	if def.RawDefault == nil && isWidening(old, def.TypeName) {
		return
	}
	was := "its type"
	if old != nil {
		was = typeText(old)
	}
	c.reportLock(finding.ColumnTypeChange, t, "", "changing %s.%s from %s to %s rewrites the table and its indexes while reads and writes wait", t.Name, cmd.Name, was, typeText(def.TypeName))
}

func (c *checker) attachPartition(t *model.Table, cmd *pgquery.AlterTableCmd) {
	child := c.schema.Table(cmd.Def.GetPartitionCmd().GetName())
	if child.New {
		return
	}
	for _, con := range child.Constraints {
		if con.Type == pgquery.ConstrType_CONSTR_CHECK && con.Valid {
			return
		}
	}
	c.reportLock(finding.AttachPartitionScan, child, "", "ATTACH PARTITION reads every row of %s while reads and writes of it wait, because no validated CHECK constraint shows that the rows are within the bounds", child.Name)
}
