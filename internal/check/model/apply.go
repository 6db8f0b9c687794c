package model

import (
	"slices"

	pgquery "github.com/pganalyze/pg_query_go/v6"
	"google.golang.org/protobuf/proto"

	"github.com/shiplock/shiplock/internal/script/syntax"
)

// Apply changes the schema as a statement does. isNew reports whether the statement is in a new
// file.
func (s *Schema) Apply(n *pgquery.Node, isNew bool) {
	switch st := n.GetNode().(type) {
	case *pgquery.Node_CreateStmt:
		s.createTable(st.CreateStmt, isNew)
	case *pgquery.Node_CreateTableAsStmt:
		kind := Ordinary
		if st.CreateTableAsStmt.Objtype == pgquery.ObjectType_OBJECT_MATVIEW {
			kind = MaterializedView
		}
		t := s.create(st.CreateTableAsStmt.Into.GetRel(), kind, isNew, st.CreateTableAsStmt.IfNotExists)
		if kind == MaterializedView {
			t.Reads = s.tablesOf(st.CreateTableAsStmt.Query)
		}
	case *pgquery.Node_ViewStmt:
		s.create(st.ViewStmt.View, View, isNew, st.ViewStmt.Replace)
	case *pgquery.Node_SelectStmt:
		s.create(st.SelectStmt.GetIntoClause().GetRel(), Ordinary, isNew, false)
	case *pgquery.Node_IndexStmt:
		s.createIndex(st.IndexStmt)
	case *pgquery.Node_AlterTableStmt:
		s.alterTable(st.AlterTableStmt)
	case *pgquery.Node_RenameStmt:
		s.rename(st.RenameStmt)
	case *pgquery.Node_AlterObjectSchemaStmt:
		if rel := st.AlterObjectSchemaStmt.Relation; rel != nil {
			s.move(rel, st.AlterObjectSchemaStmt.Newschema, rel.Relname)
		}
	case *pgquery.Node_DropStmt:
		s.drop(st.DropStmt)
	case *pgquery.Node_CreateEnumStmt:
		s.createType(st.CreateEnumStmt.TypeName, isNew)
	case *pgquery.Node_CreateDomainStmt:
		s.createType(st.CreateDomainStmt.Domainname, isNew)
	case *pgquery.Node_CompositeTypeStmt:
		if rel := st.CompositeTypeStmt.Typevar; isNew && rel != nil {
			s.newTypes[s.key(rel.Schemaname, rel.Relname)] = true
		}
	case *pgquery.Node_CreateSchemaStmt:
		if isNew {
			s.newTypes["schema "+st.CreateSchemaStmt.Schemaname] = true
		}
	case *pgquery.Node_VariableSetStmt:
		if args := st.VariableSetStmt.Args; st.VariableSetStmt.Name == "search_path" && len(args) > 0 {
			s.searchPath = args[0].GetAConst().GetSval().GetSval()
		}
	}
}

// tablesOf returns the tables that a query names.
func (s *Schema) tablesOf(query *pgquery.Node) []*Table {
	var out []*Table
	if query.GetNode() != nil {
		syntax.WalkNodes(query, func(m proto.Message) {
			if rel, ok := m.(*pgquery.RangeVar); ok {
				out = append(out, s.Table(rel))
			}
		})
	}
	return out
}

func (s *Schema) createType(names []*pgquery.Node, isNew bool) {
	if schema, name := split(names); isNew {
		s.newTypes[s.key(schema, name)] = true
	}
}

// create adds a relation. It returns the existing one if keep is set and there is one.
func (s *Schema) create(rel *pgquery.RangeVar, kind Kind, isNew, keep bool) *Table {
	if rel == nil {
		return nil
	}
	key := s.key(rel.Schemaname, rel.Relname)
	if rel.Relpersistence == "t" {
		key, isNew = "pg_temp."+rel.Relname, true
	}
	if t := s.tables[key]; t != nil && keep {
		return t
	}
	t := &Table{Name: displayName(key), Kind: kind, Known: true, New: isNew, Columns: map[string]*Column{}}
	s.tables[key] = t
	return t
}

func (s *Schema) createTable(st *pgquery.CreateStmt, isNew bool) {
	key := s.key(st.Relation.GetSchemaname(), st.Relation.GetRelname())
	if t := s.tables[key]; t != nil && t.Known && st.IfNotExists {
		return
	}
	kind := Ordinary
	if st.Partspec != nil {
		kind = Partitioned
	}
	t := s.create(st.Relation, kind, isNew, false)
	for _, parent := range st.InhRelations {
		p := s.Table(parent.GetRangeVar())
		t.Parents, p.Children = append(t.Parents, p), append(p.Children, t)
		for name, column := range p.Columns {
			t.Columns[name] = &Column{column.Type, column.NotNull}
		}
	}
	t.IsDefault = st.Partbound.GetIsDefault()
	for _, e := range slices.Concat(st.TableElts, st.Constraints) {
		if c := e.GetConstraint(); c != nil {
			s.addConstraint(t, c, "", true)
		}
		if c := e.GetColumnDef(); c != nil {
			s.addColumn(t, c)
		}
	}
}

func (s *Schema) addColumn(t *Table, def *pgquery.ColumnDef) {
	if t.Columns[def.Colname] != nil {
		return // IF NOT EXISTS, or a partition's column options
	}
	c := &Column{Type: def.TypeName, NotNull: def.IsNotNull}
	t.Columns[def.Colname] = c
	for _, n := range def.Constraints {
		switch con := n.GetConstraint(); con.GetContype() {
		case pgquery.ConstrType_CONSTR_NOTNULL, pgquery.ConstrType_CONSTR_IDENTITY:
			c.NotNull = true
		default:
			s.addConstraint(t, con, def.Colname, true)
		}
	}
}

// addConstraint adds a constraint. column is that of a column constraint.
func (s *Schema) addConstraint(t *Table, def *pgquery.Constraint, column string, valid bool) {
	c := &Constraint{Name: def.Conname, Type: def.Contype, Valid: valid && !def.SkipValidation, Check: def.RawExpr}
	keys := def.Keys
	switch def.Contype {
	case pgquery.ConstrType_CONSTR_FOREIGN:
		keys, c.Target = def.FkAttrs, s.Table(def.Pktable)
	case pgquery.ConstrType_CONSTR_CHECK, pgquery.ConstrType_CONSTR_EXCLUSION:
	case pgquery.ConstrType_CONSTR_PRIMARY, pgquery.ConstrType_CONSTR_UNIQUE:
		if c.Name == "" && def.Contype == pgquery.ConstrType_CONSTR_PRIMARY {
			c.Name = t.baseName() + "_pkey"
		}
	default:
		return
	}
	for _, k := range keys {
		c.Columns = append(c.Columns, k.GetString_().GetSval())
	}
	if column != "" && len(c.Columns) == 0 && def.Contype != pgquery.ConstrType_CONSTR_CHECK {
		c.Columns = []string{column}
	}
	if c.Name == "" && def.Contype == pgquery.ConstrType_CONSTR_FOREIGN && len(c.Columns) > 0 {
		c.Name = t.baseName() + "_" + c.Columns[0] + "_fkey"
	}
	t.Constraints = append(t.Constraints, c)
	if def.Contype == pgquery.ConstrType_CONSTR_PRIMARY || def.Contype == pgquery.ConstrType_CONSTR_UNIQUE {
		if def.Indexname == "" {
			ix := &Index{Name: c.Name, Table: t, Columns: c.Columns}
			t.Indexes = append(t.Indexes, ix)
			if c.Name != "" {
				s.indexes[s.key("", c.Name)] = ix
			}
		}
		for _, name := range c.Columns {
			if col := t.Columns[name]; col != nil && def.Contype == pgquery.ConstrType_CONSTR_PRIMARY {
				col.NotNull = true
			}
		}
	}
}

// baseName returns the table's name without its schema.
func (t *Table) baseName() string {
	for i := len(t.Name) - 1; i >= 0; i-- {
		if t.Name[i] == '.' {
			return t.Name[i+1:]
		}
	}
	return t.Name
}

func (s *Schema) createIndex(st *pgquery.IndexStmt) {
	t := s.Table(st.Relation)
	ix := &Index{Name: st.Idxname, Table: t, Partial: st.WhereClause != nil}
	for _, p := range st.IndexParams {
		name := p.GetIndexElem().GetName()
		if name == "" {
			break
		}
		ix.Columns = append(ix.Columns, name)
	}
	t.Indexes = append(t.Indexes, ix)
	if st.Idxname != "" {
		s.indexes[s.key(st.Relation.GetSchemaname(), st.Idxname)] = ix
	}
}

func (s *Schema) alterTable(st *pgquery.AlterTableStmt) {
	if st.Objtype != pgquery.ObjectType_OBJECT_TABLE {
		return
	}
	t := s.Table(st.Relation)
	for _, n := range st.Cmds {
		s.alterTableCommand(t, n.GetAlterTableCmd())
	}
}

func (s *Schema) alterTableCommand(t *Table, cmd *pgquery.AlterTableCmd) {
	column := t.Columns[cmd.GetName()]
	switch cmd.GetSubtype() {
	case pgquery.AlterTableType_AT_AddColumn:
		s.addColumn(t, cmd.Def.GetColumnDef())
	case pgquery.AlterTableType_AT_DropColumn:
		delete(t.Columns, cmd.Name)
	case pgquery.AlterTableType_AT_AlterColumnType:
		if column != nil {
			column.Type = cmd.Def.GetColumnDef().GetTypeName()
		}
	case pgquery.AlterTableType_AT_SetNotNull:
		if column != nil {
			column.NotNull = true
		}
	case pgquery.AlterTableType_AT_DropNotNull:
		if column != nil {
			column.NotNull = false
		}
	case pgquery.AlterTableType_AT_AddConstraint:
		s.addConstraint(t, cmd.Def.GetConstraint(), "", true)
	case pgquery.AlterTableType_AT_ValidateConstraint:
		if c := t.Constraint(cmd.Name); c != nil {
			c.Valid = true
		}
	case pgquery.AlterTableType_AT_DropConstraint:
		t.Constraints = slices.DeleteFunc(t.Constraints, func(c *Constraint) bool { return c.Name == cmd.Name })
		t.Indexes = slices.DeleteFunc(t.Indexes, func(ix *Index) bool { return ix.Name == cmd.Name })
	case pgquery.AlterTableType_AT_AttachPartition:
		def := cmd.Def.GetPartitionCmd()
		child := s.Table(def.GetName())
		child.Parents, t.Children = append(child.Parents, t), append(t.Children, child)
		child.IsDefault = def.GetBound().GetIsDefault()
		t.Kind = Partitioned
	case pgquery.AlterTableType_AT_DetachPartition:
		child := s.Table(cmd.Def.GetPartitionCmd().GetName())
		isChild := func(c *Table) bool { return c == child }
		t.Children = slices.DeleteFunc(t.Children, isChild)
		child.Parents = slices.DeleteFunc(child.Parents, func(p *Table) bool { return p == t })
		child.IsDefault = false
	}
}

func (s *Schema) rename(st *pgquery.RenameStmt) {
	switch st.RenameType {
	case pgquery.ObjectType_OBJECT_TABLE, pgquery.ObjectType_OBJECT_VIEW, pgquery.ObjectType_OBJECT_MATVIEW:
		s.move(st.Relation, st.Relation.GetSchemaname(), st.Newname)
	case pgquery.ObjectType_OBJECT_COLUMN:
		t := s.Table(st.Relation)
		if c := t.Columns[st.Subname]; c != nil {
			delete(t.Columns, st.Subname)
			t.Columns[st.Newname] = c
		}
		for _, ix := range t.Indexes {
			for i, c := range ix.Columns {
				if c == st.Subname {
					ix.Columns[i] = st.Newname
				}
			}
		}
	case pgquery.ObjectType_OBJECT_TABCONSTRAINT:
		if c := s.Table(st.Relation).Constraint(st.Subname); c != nil {
			c.Name = st.Newname
		}
	case pgquery.ObjectType_OBJECT_INDEX:
		key := s.key(st.Relation.GetSchemaname(), st.Relation.GetRelname())
		if ix := s.indexes[key]; ix != nil {
			delete(s.indexes, key)
			ix.Name = st.Newname
			s.indexes[s.key(st.Relation.GetSchemaname(), st.Newname)] = ix
		}
	}
}

// move gives a relation another name or schema.
func (s *Schema) move(rel *pgquery.RangeVar, schema, name string) {
	t := s.Table(rel)
	delete(s.tables, s.key(rel.GetSchemaname(), rel.GetRelname()))
	key := s.key(schema, name)
	t.Name = displayName(key)
	s.tables[key] = t
}

func (s *Schema) drop(st *pgquery.DropStmt) {
	for _, o := range st.Objects {
		schema, name := split(o.GetList().GetItems())
		key := s.key(schema, name)
		switch st.RemoveType {
		case pgquery.ObjectType_OBJECT_TABLE, pgquery.ObjectType_OBJECT_VIEW, pgquery.ObjectType_OBJECT_MATVIEW:
			s.dropTable(key)
		case pgquery.ObjectType_OBJECT_INDEX:
			if ix := s.indexes[key]; ix != nil {
				ix.Table.Indexes = slices.DeleteFunc(ix.Table.Indexes, func(other *Index) bool { return other == ix })
				delete(s.indexes, key)
			}
		}
	}
}

func (s *Schema) dropTable(key string) {
	t := s.tables[key]
	if t == nil {
		return
	}
	delete(s.tables, key)
	for _, p := range t.Parents {
		p.Children = slices.DeleteFunc(p.Children, func(c *Table) bool { return c == t })
	}
	for _, other := range s.tables {
		other.Constraints = slices.DeleteFunc(other.Constraints, func(c *Constraint) bool { return c.Target == t })
	}
}
