package postgres

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/lib/pq"
	pgquery "github.com/pganalyze/pg_query_go/v6"

	"github.com/shiplock/shiplock/internal/sqlfile"
)

// Made is what a number of migrations leave in a schema, by the SQL of their ups: tables
// and the like, types and schemas. Whether those exist tells a version table that was
// emptied from a database that was rolled back.
type Made struct {
	things map[thing]string // the file that names it
}

// thing is an object by its name; schema is empty where the search_path places it.
type thing struct{ class, schema, name string }

func (t thing) String() string {
	if t.schema == "" || t.class == "schema" {
		return t.class + " " + t.name
	}
	return t.class + " " + t.schema + "." + t.name
}

// Add takes in the SQL of one up. They are added in the order in which they ran.
func (m *Made) Add(file string, sql io.Reader) error {
	if m.things == nil {
		m.things = map[thing]string{}
	}
	return readStatements(sql, func(p sqlfile.Piece) {
		switch p.Word {
		case "create", "drop", "alter", "select", "with":
		default:
			return
		}
		if _, tree := parseStatement(p); tree != nil {
			m.statement(file, tree.Stmts[0].Stmt)
		}
	})
}

func (m *Made) statement(file string, n *pgquery.Node) {
	switch s := n.Node.(type) {
	case *pgquery.Node_CreateStmt:
		m.relation(file, s.CreateStmt.Relation)
	case *pgquery.Node_CreateTableAsStmt:
		m.relation(file, s.CreateTableAsStmt.Into.GetRel())
	case *pgquery.Node_SelectStmt:
		m.relation(file, s.SelectStmt.IntoClause.GetRel())
	case *pgquery.Node_ViewStmt:
		m.relation(file, s.ViewStmt.View)
	case *pgquery.Node_CreateSeqStmt:
		m.relation(file, s.CreateSeqStmt.Sequence)
	case *pgquery.Node_CreateForeignTableStmt:
		m.relation(file, s.CreateForeignTableStmt.BaseStmt.GetRelation())
	case *pgquery.Node_IndexStmt:
		if s.IndexStmt.Idxname != "" {
			m.things[thing{"relation", s.IndexStmt.Relation.GetSchemaname(), s.IndexStmt.Idxname}] = file
		}
	case *pgquery.Node_CreateEnumStmt:
		m.typed(file, s.CreateEnumStmt.TypeName)
	case *pgquery.Node_CreateDomainStmt:
		m.typed(file, s.CreateDomainStmt.Domainname)
	case *pgquery.Node_CreateRangeStmt:
		m.typed(file, s.CreateRangeStmt.TypeName)
	case *pgquery.Node_CompositeTypeStmt:
		if r := s.CompositeTypeStmt.Typevar; r != nil {
			m.things[thing{"type", r.Schemaname, r.Relname}] = file
		}
	case *pgquery.Node_CreateSchemaStmt:
		if s.CreateSchemaStmt.Schemaname != "" {
			m.things[thing{"schema", "", s.CreateSchemaStmt.Schemaname}] = file
		}
	case *pgquery.Node_RenameStmt:
		m.rename(file, s.RenameStmt)
	case *pgquery.Node_AlterObjectSchemaStmt:
		if r := s.AlterObjectSchemaStmt.Relation; r != nil {
			m.move(file, thing{"relation", r.Schemaname, r.Relname}, thing{"relation", s.AlterObjectSchemaStmt.Newschema, r.Relname})
		}
	case *pgquery.Node_DropStmt:
		for _, o := range s.DropStmt.Objects {
			m.drop(o)
		}
	}
}

func (m *Made) relation(file string, r *pgquery.RangeVar) {
	if r != nil && r.Relpersistence != "t" {
		m.things[thing{"relation", r.Schemaname, r.Relname}] = file
	}
}

func (m *Made) typed(file string, name []*pgquery.Node) {
	r := rangeOf(name)
	m.things[thing{"type", r.Schemaname, r.Relname}] = file
}

func (m *Made) rename(file string, s *pgquery.RenameStmt) {
	switch r := s.Relation; s.RenameType {
	case pgquery.ObjectType_OBJECT_TABLE, pgquery.ObjectType_OBJECT_VIEW, pgquery.ObjectType_OBJECT_MATVIEW, pgquery.ObjectType_OBJECT_INDEX,
		pgquery.ObjectType_OBJECT_SEQUENCE, pgquery.ObjectType_OBJECT_FOREIGN_TABLE:
		if r != nil {
			m.move(file, thing{"relation", r.Schemaname, r.Relname}, thing{"relation", r.Schemaname, s.Newname})
		}
	case pgquery.ObjectType_OBJECT_TYPE, pgquery.ObjectType_OBJECT_DOMAIN:
		old := rangeOf(s.Object.GetList().GetItems())
		m.move(file, thing{"type", old.Schemaname, old.Relname}, thing{"type", old.Schemaname, s.Newname})
	case pgquery.ObjectType_OBJECT_SCHEMA:
		m.move(file, thing{"schema", "", s.Subname}, thing{"schema", "", s.Newname})
	}
}

func (m *Made) move(file string, from, to thing) {
	delete(m.things, from)
	m.things[to] = file
}

// drop forgets whatever has that name: what is gone proves nothing, and neither does
// what may be gone.
func (m *Made) drop(o *pgquery.Node) {
	name := rangeOf(o.GetList().GetItems())
	if t := o.GetTypeName(); t != nil {
		name = rangeOf(t.Names)
	}
	if s := o.GetString_(); s != nil {
		name = &pgquery.RangeVar{Relname: s.Sval}
	}
	for t := range m.things {
		if t.name == name.Relname && (t.schema == name.Schemaname || t.schema == "" || name.Schemaname == "") || t.schema != "" && t.schema == name.Relname {
			delete(m.things, t)
		}
	}
}

// Remains reports one of the objects that exists, as "relation guests, which 1_guests.up.sql
// creates"; empty where none does. A name without a schema is looked for in all of them.
// known is false where there is no object to look for.
func (db *DB) Remains(ctx context.Context, m Made) (found string, known bool, err error) {
	if len(m.things) == 0 {
		return "", false, nil
	}
	var values []string
	byText := map[string]string{}
	for t, file := range m.things {
		values = append(values, fmt.Sprintf("(%s, %s, %s, %s)", pq.QuoteLiteral(t.class), pq.QuoteLiteral(t.schema), pq.QuoteLiteral(t.name), pq.QuoteLiteral(t.String())))
		byText[t.String()] = file
	}
	const visible = "n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND (w.schema = '' OR n.nspname = w.schema)"
	var text string
	err = db.row(ctx, `SELECT coalesce(min(w.what), '') FROM (VALUES `+strings.Join(values, ", ")+`) w(class, schema, name, what) WHERE CASE w.class
		WHEN 'schema' THEN EXISTS (SELECT FROM pg_catalog.pg_namespace n WHERE n.nspname = w.name)
		WHEN 'type' THEN EXISTS (SELECT FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace WHERE t.typname = w.name AND `+visible+`)
		ELSE EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relname = w.name AND `+visible+`) END`).Scan(&text)
	if err != nil {
		return "", false, db.classifyError(ctx, err)
	}
	if text != "" {
		found = fmt.Sprintf("%s, which %s creates", text, byText[text])
	}
	return found, true, nil
}

// TableExists reports whether there is a version table.
func (db *DB) TableExists() bool { return db.versionTableExists }
