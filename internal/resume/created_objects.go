package resume

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/lib/pq"
	pgquery "github.com/pganalyze/pg_query_go/v6"

	"github.com/shiplock/shiplock/internal/script"
	"github.com/shiplock/shiplock/internal/script/syntax"
	"github.com/shiplock/shiplock/internal/sqlfile"
)

// CreatedObjects are the tables, views, types and schemas that a sequence of up migrations creates.
// Whether they exist distinguishes an emptied version table from a rolled-back database.
type CreatedObjects struct {
	objects map[createdObject]string // value: the file that creates it
}

// createdObject is an object by name; schema is empty if the search_path determines it.
type createdObject struct{ class, schema, name string }

func (t createdObject) String() string {
	if t.schema == "" || t.class == "schema" {
		return t.class + " " + t.name
	}
	return t.class + " " + t.schema + "." + t.name
}

// Add adds the objects of one up migration. Migrations must be added in the order in which they
// ran.
func (m *CreatedObjects) Add(file string, sql io.Reader) error {
	if m.objects == nil {
		m.objects = map[createdObject]string{}
	}
	return script.ReadStatements(sql, func(p sqlfile.Piece) {
		switch p.Word {
		case "create", "drop", "alter", "select", "with":
		default:
			return
		}
		if _, tree := script.ParseStatement(p); tree != nil {
			m.addStatement(file, tree.Stmts[0].Stmt)
		}
	})
}

func (m *CreatedObjects) addStatement(file string, n *pgquery.Node) {
	switch s := n.Node.(type) {
	case *pgquery.Node_CreateStmt:
		m.addRelation(file, s.CreateStmt.Relation)
	case *pgquery.Node_CreateTableAsStmt:
		m.addRelation(file, s.CreateTableAsStmt.Into.GetRel())
	case *pgquery.Node_SelectStmt:
		m.addRelation(file, s.SelectStmt.IntoClause.GetRel())
	case *pgquery.Node_ViewStmt:
		m.addRelation(file, s.ViewStmt.View)
	case *pgquery.Node_CreateSeqStmt:
		m.addRelation(file, s.CreateSeqStmt.Sequence)
	case *pgquery.Node_CreateForeignTableStmt:
		m.addRelation(file, s.CreateForeignTableStmt.BaseStmt.GetRelation())
	case *pgquery.Node_IndexStmt:
		if s.IndexStmt.Idxname != "" {
			m.objects[createdObject{"relation", s.IndexStmt.Relation.GetSchemaname(), s.IndexStmt.Idxname}] = file
		}
	case *pgquery.Node_CreateEnumStmt:
		m.addType(file, s.CreateEnumStmt.TypeName)
	case *pgquery.Node_CreateDomainStmt:
		m.addType(file, s.CreateDomainStmt.Domainname)
	case *pgquery.Node_CreateRangeStmt:
		m.addType(file, s.CreateRangeStmt.TypeName)
	case *pgquery.Node_CompositeTypeStmt:
		if r := s.CompositeTypeStmt.Typevar; r != nil {
			m.objects[createdObject{"type", r.Schemaname, r.Relname}] = file
		}
	case *pgquery.Node_CreateSchemaStmt:
		if s.CreateSchemaStmt.Schemaname != "" {
			m.objects[createdObject{"schema", "", s.CreateSchemaStmt.Schemaname}] = file
		}
	case *pgquery.Node_RenameStmt:
		m.rename(file, s.RenameStmt)
	case *pgquery.Node_AlterObjectSchemaStmt:
		if r := s.AlterObjectSchemaStmt.Relation; r != nil {
			m.move(file, createdObject{"relation", r.Schemaname, r.Relname}, createdObject{"relation", s.AlterObjectSchemaStmt.Newschema, r.Relname})
		}
	case *pgquery.Node_DropStmt:
		for _, o := range s.DropStmt.Objects {
			m.drop(o)
		}
	}
}

func (m *CreatedObjects) addRelation(file string, r *pgquery.RangeVar) {
	if r != nil && r.Relpersistence != "t" {
		m.objects[createdObject{"relation", r.Schemaname, r.Relname}] = file
	}
}

func (m *CreatedObjects) addType(file string, name []*pgquery.Node) {
	r := syntax.RangeOf(name)
	m.objects[createdObject{"type", r.Schemaname, r.Relname}] = file
}

func (m *CreatedObjects) rename(file string, s *pgquery.RenameStmt) {
	switch r := s.Relation; s.RenameType {
	case pgquery.ObjectType_OBJECT_TABLE, pgquery.ObjectType_OBJECT_VIEW, pgquery.ObjectType_OBJECT_MATVIEW, pgquery.ObjectType_OBJECT_INDEX,
		pgquery.ObjectType_OBJECT_SEQUENCE, pgquery.ObjectType_OBJECT_FOREIGN_TABLE:
		if r != nil {
			m.move(file, createdObject{"relation", r.Schemaname, r.Relname}, createdObject{"relation", r.Schemaname, s.Newname})
		}
	case pgquery.ObjectType_OBJECT_TYPE, pgquery.ObjectType_OBJECT_DOMAIN:
		old := syntax.RangeOf(s.Object.GetList().GetItems())
		m.move(file, createdObject{"type", old.Schemaname, old.Relname}, createdObject{"type", old.Schemaname, s.Newname})
	case pgquery.ObjectType_OBJECT_SCHEMA:
		m.move(file, createdObject{"schema", "", s.Subname}, createdObject{"schema", "", s.Newname})
	}
}

func (m *CreatedObjects) move(file string, from, to createdObject) {
	delete(m.objects, from)
	m.objects[to] = file
}

// drop removes every object with this name, also if it may not be the one that is dropped.
func (m *CreatedObjects) drop(o *pgquery.Node) {
	name := syntax.RangeOf(o.GetList().GetItems())
	if t := o.GetTypeName(); t != nil {
		name = syntax.RangeOf(t.Names)
	}
	if s := o.GetString_(); s != nil {
		name = &pgquery.RangeVar{Relname: s.Sval}
	}
	for t := range m.objects {
		if t.name == name.Relname && (t.schema == name.Schemaname || t.schema == "" || name.Schemaname == "") || t.schema != "" && t.schema == name.Relname {
			delete(m.objects, t)
		}
	}
}

// ExistingObject returns one of the objects that exists, such as "relation guests (created by
// 1_guests.up.sql)", or "". An unqualified name is looked up in all schemas. known is false if m is
// empty.
func (resumer *Resumer) ExistingObject(ctx context.Context, m CreatedObjects) (found string, known bool, err error) {
	if len(m.objects) == 0 {
		return "", false, nil
	}
	var values []string
	byText := map[string]string{}
	for t, file := range m.objects {
		values = append(values, fmt.Sprintf("(%s, %s, %s, %s)", pq.QuoteLiteral(t.class), pq.QuoteLiteral(t.schema), pq.QuoteLiteral(t.name), pq.QuoteLiteral(t.String())))
		byText[t.String()] = file
	}
	const visible = "n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND (w.schema = '' OR n.nspname = w.schema)"
	var text string
	err = resumer.session.QueryRow(ctx, `SELECT coalesce(min(w.what), '') FROM (VALUES `+strings.Join(values, ", ")+`) w(class, schema, name, what) WHERE CASE w.class
		WHEN 'schema' THEN EXISTS (SELECT FROM pg_catalog.pg_namespace n WHERE n.nspname = w.name)
		WHEN 'type' THEN EXISTS (SELECT FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace WHERE t.typname = w.name AND `+visible+`)
		ELSE EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relname = w.name AND `+visible+`) END`).Scan(&text)
	if err != nil {
		return "", false, resumer.session.ClassifyError(ctx, err)
	}
	if text != "" {
		found = fmt.Sprintf("%s (created by %s)", text, byText[text])
	}
	return found, true, nil
}

// TableExists reports whether the version table exists.
func (resumer *Resumer) TableExists() bool { return resumer.store.VersionTableExists }
