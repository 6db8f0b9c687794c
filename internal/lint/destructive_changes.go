package lint

import (
	"fmt"
	"strings"

	pgquery "github.com/pganalyze/pg_query_go/v6"
	"google.golang.org/protobuf/proto"

	"github.com/shiplock/shiplock/internal/script/syntax"
)

// DestructiveChange is data that a statement removes, by the names that objects have before the
// first statement.
type DestructiveChange struct {
	Operation string // for example, "DROP TABLE"
	Line      int
	Table     string // quoted for SQL; with expand, the name of another object
	Column    string
	// Rows is a query of the affected rows; empty for all rows, or all with a value in column.
	Rows    string
	NewType string // new type of the column
	// Expand is set if table is not a table: the tables or columns are found in the catalogs,
	// without those in except.
	Expand Dependency
	Except []string
	// UnknownRows is the reason why the affected rows cannot be determined.
	UnknownRows string
	// Undetermined is the reason why the affected objects cannot be determined.
	Undetermined string
	// Function is a called function, whose source determines whether it removes data.
	Function string
}

// destructiveChanges collects the changes of several files and tracks the names of objects through
// their statements.
type destructiveChanges struct {
	*Relations
	types     map[string]bool   // types created by the statements
	functions map[string]string // functions created by the statements, with the reason why a call removes data
	moved     bool              // a type or other object was renamed or moved
	Own       OwnObjects        // of the current file
	Changes   []DestructiveChange
}

// NewDestructiveChanges returns a collection for files that run on relations.
func NewDestructiveChanges(r *Relations) *destructiveChanges {
	return &destructiveChanges{Relations: r, types: map[string]bool{}, functions: map[string]string{}}
}

func (c *destructiveChanges) isOwn(t StatementChange) bool {
	if t.Rel == nil {
		return c.types[t.Object] && t.Expand != InSchema
	}
	rel, _ := c.find(t.Rel)
	return rel != nil && t.Expand == "" && len(rel.attached) == 0 && (rel.isCreated() || t.Column != "" && rel.column(t.Column) == "")
}

func (c *destructiveChanges) add(t DestructiveChange) { c.Changes = append(c.Changes, t) }

// resolve adds a change by the current names in the database.
func (c *destructiveChanges) resolve(t StatementChange) {
	switch {
	case t.Undetermined != "":
		c.add(DestructiveChange{Operation: t.Operation, Undetermined: t.Undetermined})
		return
	case t.Rel == nil:
		c.resolveObject(t)
		return
	case t.Rel.GetRelpersistence() == "t":
		return
	}
	rel, schema := c.find(t.Rel)
	switch {
	case schema == tempSchema:
	case rel == nil && c.Uncertain:
		c.add(DestructiveChange{Operation: t.Operation, Undetermined: fmt.Sprintf("%s does not exist yet, and an earlier statement may create it", syntax.QuoteRelation(t.Rel))})
	case rel == nil: // the statement has no effect or fails
	case rel.Kind == "f" && t.Column == "" && (t.Operation == "DELETE" || t.Operation == "TRUNCATE"), rel.Kind == "f" && (t.Rows != nil || t.UnknownRows != ""):
		c.add(DestructiveChange{Operation: t.Operation, Undetermined: syntax.QuoteRelation(t.Rel) + " is a foreign table; its rows are on another server"})
	case rel.Kind == "v" && (t.Rows != nil || t.Operation == "DELETE" || t.UnknownRows != ""):
		c.add(DestructiveChange{Operation: t.Operation, Undetermined: syntax.QuoteRelation(t.Rel) + " is a view; the affected tables and rows are known only at run time"})
	default:
		c.resolveTable(rel, t)
	}
}

func (c *destructiveChanges) resolveTable(rel *Relation, t StatementChange) {
	out := DestructiveChange{Operation: t.Operation, Table: rel.CurrentName, Expand: t.Expand, NewType: t.NewType, UnknownRows: t.UnknownRows}
	if t.Column != "" {
		if out.Column = rel.column(t.Column); out.Column == "" {
			return
		}
	}
	if t.Rows != nil {
		if out.Rows = c.currentRowsSQL(t.Rows); out.Rows == "" {
			out.UnknownRows = "the affected rows are known only at run time"
		}
	}
	if len(rel.detached) > 0 && out.Rows == "" && t.Expand == "" {
		out.Except = rel.detached
	}
	if !rel.isCreated() && rel.storesRows() {
		c.add(out)
	}
	if t.Expand == "" {
		for _, child := range rel.attached {
			c.resolveTable(child, t)
		}
	}
}

// resolveObject adds a change of an object other than a table.
func (c *destructiveChanges) resolveObject(t StatementChange) {
	if t.Expand != InSchema {
		switch {
		case c.types[t.Object]:
		case c.moved || c.Uncertain:
			c.add(DestructiveChange{Operation: t.Operation, Undetermined: "earlier statements change names, so the objects that use " + t.Object + " are known only at run time"})
		default:
			c.add(DestructiveChange{Operation: t.Operation, Table: t.Object, Expand: t.Expand, UnknownRows: t.UnknownRows})
		}
		return
	}
	name := unquoted(t.Object)
	now, there := c.CurrentSchemas[name]
	if c.NoDatabase {
		now, there = name, true
	}
	if !there {
		if c.Uncertain {
			c.add(DestructiveChange{Operation: t.Operation, Undetermined: fmt.Sprintf("schema %s does not exist yet, and an earlier statement may create it", t.Object)})
		}
		return
	}
	in, gone := c.movedRelations(name)
	if now != "" {
		c.add(DestructiveChange{Operation: t.Operation, Table: syntax.QuoteQualified("", now), Expand: t.Expand, Except: gone})
	}
	for _, rel := range in {
		c.resolveTable(rel, StatementChange{Operation: t.Operation})
	}
}

func unquoted(name string) string {
	return strings.ReplaceAll(strings.TrimSuffix(strings.TrimPrefix(name, `"`), `"`), `""`, `"`)
}

// currentRowsSQL returns a query with the current names in the database, or "" if its result may be
// different when the statement runs.
func (c *destructiveChanges) currentRowsSQL(rows *pgquery.SelectStmt) string {
	if c.Uncertain {
		return ""
	}
	rows, _ = proto.Clone(rows).(*pgquery.SelectStmt)
	ctes, sure := map[string]bool{}, true
	node := &pgquery.Node{Node: &pgquery.Node_SelectStmt{SelectStmt: rows}}
	syntax.WalkNodes(node, func(m proto.Message) {
		switch s := m.(type) {
		case *pgquery.CommonTableExpr:
			ctes[s.Ctename] = true
		case *pgquery.InsertStmt, *pgquery.UpdateStmt, *pgquery.DeleteStmt, *pgquery.MergeStmt:
			sure = false
		}
	})
	syntax.WalkNodes(node, func(m proto.Message) {
		ref, ok := m.(*pgquery.RangeVar)
		if !ok || ref.Schemaname == "" && ctes[ref.Relname] || strings.HasPrefix(ref.Schemaname, "pg_catalog") || ref.Schemaname == "information_schema" {
			return
		}
		rel, schema := c.find(ref)
		switch {
		case rel == nil && !strings.HasPrefix(ref.Relname, "pg_"):
			sure = false
		case rel == nil:
		case rel.isCreated(), rel.modified, schema == tempSchema, !rel.storesRows():
			sure = false
		default:
			if ref.Alias == nil {
				ref.Alias = &pgquery.Alias{Aliasname: ref.Relname}
			}
			ref.Schemaname, ref.Relname = splitQualified(rel.CurrentName)
		}
	})
	if !sure {
		return ""
	}
	return SQLOf(rows)
}

// splitQualified is the inverse of QuoteQualified.
func splitQualified(name string) (schema, table string) {
	parts := strings.SplitN(name, `"."`, 2)
	if len(parts) == 1 {
		return "", unquoted(name)
	}
	return unquoted(parts[0] + `"`), unquoted(`"` + parts[1])
}
