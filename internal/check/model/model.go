// Package model is the schema that migration files define, as far as the rules of migrator check
// need it: tables with their columns, constraints, indexes and partitions.
//
// Schema.Apply reads the statements of the files in order. A table whose CREATE TABLE is not among
// the files is assumed to exist. Package locks computes the locks of a statement from the model, and
// package statements applies the rules.
package model

import (
	"strings"

	pgquery "github.com/pganalyze/pg_query_go/v6"
)

// A Kind is the kind of a relation.
type Kind int

// Values of Kind.
const (
	Ordinary Kind = iota
	Partitioned
	View
	MaterializedView
)

// A Table is a table, a view or a materialized view.
type Table struct {
	Name        string // for messages: without the schema public
	Kind        Kind
	Known       bool // its CREATE statement is among the files
	New         bool // a new file creates it, so that no application uses it
	Columns     map[string]*Column
	Constraints []*Constraint
	Indexes     []*Index
	Parents     []*Table // tables that it is a partition of, or inherits from
	Children    []*Table
	IsDefault   bool     // the default partition of its parent
	Reads       []*Table // tables that the query of a materialized view names
}

// A Column is a column of a table.
type Column struct {
	Type    *pgquery.TypeName // nil if unknown
	NotNull bool
}

// A Constraint is a constraint of a table.
type Constraint struct {
	Name    string // empty if the server chooses it
	Type    pgquery.ConstrType
	Valid   bool
	Columns []string
	Target  *Table        // of a foreign key
	Check   *pgquery.Node // expression of a CHECK
}

// An Index is an index of a table, including those of constraints.
type Index struct {
	Name    string // empty if the server chooses it
	Table   *Table
	Columns []string // the leading columns, up to the first expression
	Partial bool
}

// A Schema is the relations that the statements read so far define.
type Schema struct {
	tables     map[string]*Table
	indexes    map[string]*Index
	newTypes   map[string]bool // types that new files create
	searchPath string          // schema of names without one
}

// New returns an empty schema.
func New() *Schema {
	return &Schema{tables: map[string]*Table{}, indexes: map[string]*Index{}, newTypes: map[string]bool{}, searchPath: "public"}
}

// StartFile resets what does not last from file to file.
func (s *Schema) StartFile() { s.searchPath = "public" }

// key returns the key of a name.
func (s *Schema) key(schema, name string) string {
	if schema == "" {
		schema = s.searchPath
	}
	return schema + "." + name
}

func displayName(key string) string { return strings.TrimPrefix(key, "public.") }

// Table returns the table with a name, which is assumed to exist if the files do not create it; nil
// if rel is nil.
func (s *Schema) Table(rel *pgquery.RangeVar) *Table {
	if rel == nil {
		return nil
	}
	key := s.key(rel.Schemaname, rel.Relname)
	if t := s.tables[key]; t != nil {
		return t
	}
	if t := s.tables["pg_temp."+rel.Relname]; t != nil && rel.Schemaname == "" {
		return t
	}
	t := &Table{Name: displayName(key), Columns: map[string]*Column{}}
	s.tables[key] = t
	return t
}

// Tables returns all tables, in no order.
func (s *Schema) Tables() []*Table {
	var out []*Table
	for _, t := range s.tables {
		out = append(out, t)
	}
	return out
}

// Index returns the index with a name, or nil.
func (s *Schema) Index(names []*pgquery.Node) *Index {
	schema, name := split(names)
	return s.indexes[s.key(schema, name)]
}

// IsNewType reports whether a new file creates a type.
func (s *Schema) IsNewType(names []*pgquery.Node) bool {
	schema, name := split(names)
	return s.newTypes[s.key(schema, name)]
}

// IsNewSchema reports whether a new file creates a schema.
func (s *Schema) IsNewSchema(name string) bool { return s.newTypes["schema "+name] }

// split returns the schema, which may be empty, and the name of a qualified name.
func split(names []*pgquery.Node) (schema, name string) {
	if n := len(names); n > 0 {
		name = names[n-1].GetString_().GetSval()
		if n > 1 {
			schema = names[n-2].GetString_().GetSval()
		}
	}
	return schema, name
}

// Constraint returns the constraint with a name, or nil.
func (t *Table) Constraint(name string) *Constraint {
	for _, c := range t.Constraints {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// Default returns the default partition, or nil.
func (t *Table) Default() *Table {
	for _, c := range t.Children {
		if c.IsDefault {
			return c
		}
	}
	return nil
}

// ProvesNotNull reports whether a validated CHECK constraint shows that a column has no NULL.
func (t *Table) ProvesNotNull(column string) bool {
	for _, c := range t.Constraints {
		if c.Type == pgquery.ConstrType_CONSTR_CHECK && c.Valid && impliesNotNull(c.Check, column) {
			return true
		}
	}
	return false
}

// impliesNotNull reports whether an expression is "column IS NOT NULL", also as a part of an AND.
func impliesNotNull(n *pgquery.Node, column string) bool {
	if test := n.GetNullTest(); test != nil {
		return test.Nulltesttype == pgquery.NullTestType_IS_NOT_NULL && columnName(test.Arg) == column
	}
	if and := n.GetBoolExpr(); and.GetBoolop() == pgquery.BoolExprType_AND_EXPR {
		for _, arg := range and.GetArgs() {
			if impliesNotNull(arg, column) {
				return true
			}
		}
	}
	return false
}

// columnName returns the column that an expression consists of; "" for others.
func columnName(n *pgquery.Node) string {
	_, name := split(n.GetColumnRef().GetFields())
	return name
}

// IsIndexed reports whether an index begins with these columns, in any order.
func (t *Table) IsIndexed(columns []string) bool {
	for _, ix := range t.Indexes {
		if ix.Partial || len(ix.Columns) < len(columns) {
			continue
		}
		leading := map[string]bool{}
		for _, c := range ix.Columns[:len(columns)] {
			leading[c] = true
		}
		covered := true
		for _, c := range columns {
			covered = covered && leading[c]
		}
		if covered {
			return true
		}
	}
	return false
}
