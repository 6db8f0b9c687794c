// Package compatibility finds the schema changes of up migrations that break an older version of
// the application, which is still running while a release rolls out. Changes takes the Files of a
// plan and returns each Change with its line; it reads only their SQL. Package migrator logs a
// warning for each file.
package compatibility

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	pgquery "github.com/pganalyze/pg_query_go/v6"

	"github.com/shiplock/shiplock/internal/script"
	"github.com/shiplock/shiplock/internal/script/syntax"
	"github.com/shiplock/shiplock/internal/source"
	"github.com/shiplock/shiplock/internal/sqlfile"
)

// A File is the file of a planned migration.
type File struct {
	Name                 string
	Open                 script.Opener
	Direction            source.Direction
	MinCompatibleVersion uint // that the migration states; 0 for none
}

// A Change is a schema change of an up migration that breaks an older version of
// the application.
type Change struct {
	File int // index of the file
	Line int
	Text string // "column bookings.price is dropped"
}

// A compatibilityCheck collects the incompatible changes of the steps of a plan. An object that
// these steps create is unknown to older versions, and so its changes are compatible.
type compatibilityCheck struct {
	created  map[string]bool // quoted names of tables and other objects
	defaults map[string]bool // "table.column" of columns that got a default
	changes  []Change
	objects  []string // of changes: the changed object

	// unparsed are CREATE statements. Most migrations only create objects: these statements
	// are parsed only before an ALTER or DROP.
	unparsed      []sqlfile.Piece
	unparsedBytes int // size of unparsed
}

// Changes parses the up migrations of a plan and returns the changes that break an older
// version: dropped or renamed objects, columns with a type that may be narrower, and columns that
// an INSERT must now set. Changes of files with a minimum compatible version are left out. It reads
// the first megabyte of each file.
func Changes(files []File) ([]Change, error) {
	b := &compatibilityCheck{created: map[string]bool{}, defaults: map[string]bool{}}
	for i, f := range files {
		if f.Direction != source.Up {
			continue
		}
		err := script.WithFile(f.Name, f.Open, func(from io.Reader) error { return b.read(i, io.LimitReader(from, script.MaxStoredSQL)) })
		var unusable *script.ScriptError
		if err != nil && !errors.As(err, &unusable) { // SQL that cannot be split is rejected before it runs
			return nil, err
		}
	}
	if len(b.changes) > 0 {
		b.parsePostponed()
	}
	return slices.DeleteFunc(b.changes, func(x Change) bool { return files[x.File].MinCompatibleVersion > 0 || x.Text == "" }), nil
}

func (b *compatibilityCheck) read(file int, from io.Reader) error {
	return script.ReadStatements(from, func(p sqlfile.Piece) {
		switch p.Word {
		case "create":
			b.postpone(p)
			return
		case "alter", "drop":
			b.parsePostponed()
		default:
			return
		}
		_, tree := script.ParseStatement(p)
		if tree == nil {
			return
		}
		before := len(b.changes)
		b.checkStatement(tree.Stmts[0].Stmt)
		for i := before; i < len(b.changes); i++ {
			b.changes[i].File, b.changes[i].Line = file, script.LineInPiece(p, p.Start)
		}
	})
}

// postpone keeps a CREATE statement for parsePostponed, up to a total size.
func (b *compatibilityCheck) postpone(p sqlfile.Piece) {
	p.Text = bytes.Clone(p.Text)
	b.unparsed, b.unparsedBytes = append(b.unparsed, p), b.unparsedBytes+len(p.Text)
	if b.unparsedBytes > script.MaxStoredSQL {
		b.parsePostponed()
	}
}

// parsePostponed parses the postponed CREATE statements.
func (b *compatibilityCheck) parsePostponed() {
	for _, p := range b.unparsed {
		if _, tree := script.ParseStatement(p); tree != nil {
			b.checkStatement(tree.Stmts[0].Stmt)
		}
	}
	b.unparsed, b.unparsedBytes = nil, 0
}

func (b *compatibilityCheck) checkStatement(n *pgquery.Node) {
	switch s := n.Node.(type) {
	case *pgquery.Node_CreateStmt:
		b.markCreated(syntax.QuoteRelation(s.CreateStmt.Relation))
	case *pgquery.Node_CreateTableAsStmt:
		b.markCreated(syntax.QuoteRelation(s.CreateTableAsStmt.Into.GetRel()))
	case *pgquery.Node_ViewStmt:
		b.markCreated(syntax.QuoteRelation(s.ViewStmt.View))
	case *pgquery.Node_CreateFunctionStmt:
		b.markCreated(syntax.QuoteName(s.CreateFunctionStmt.Funcname))
	case *pgquery.Node_DropStmt:
		b.drop(s.DropStmt)
	case *pgquery.Node_RenameStmt:
		b.rename(s.RenameStmt)
	case *pgquery.Node_AlterTableStmt:
		b.alterTable(s.AlterTableStmt)
	}
}

// markCreated records that an object exists from now on. An object that was dropped and is
// created again counts as neither: an older version may know it.
func (b *compatibilityCheck) markCreated(name string) {
	if i := slices.Index(b.objects, name); i >= 0 {
		b.changes[i].Text, b.objects[i] = "", ""
		return
	}
	b.created[name] = true
}

func (b *compatibilityCheck) addChange(name, format string, args ...any) {
	b.changes, b.objects = append(b.changes, Change{Text: fmt.Sprintf(format, args...)}), append(b.objects, name)
}

// kindsUsedByName are the kinds of objects that an application uses by name.
var kindsUsedByName = map[pgquery.ObjectType]string{
	pgquery.ObjectType_OBJECT_TABLE: "table", pgquery.ObjectType_OBJECT_VIEW: "view", pgquery.ObjectType_OBJECT_MATVIEW: "materialized view",
	pgquery.ObjectType_OBJECT_FOREIGN_TABLE: "foreign table", pgquery.ObjectType_OBJECT_SEQUENCE: "sequence", pgquery.ObjectType_OBJECT_SCHEMA: "schema",
	pgquery.ObjectType_OBJECT_TYPE: "type", pgquery.ObjectType_OBJECT_DOMAIN: "domain",
	pgquery.ObjectType_OBJECT_FUNCTION: "function", pgquery.ObjectType_OBJECT_PROCEDURE: "procedure", pgquery.ObjectType_OBJECT_ROUTINE: "function",
}

func (b *compatibilityCheck) drop(s *pgquery.DropStmt) {
	kind := kindsUsedByName[s.RemoveType]
	for _, o := range s.Objects {
		var name string
		switch {
		case o.GetList() != nil:
			name = syntax.QuoteName(o.GetList().Items)
		case o.GetTypeName() != nil:
			name = syntax.QuoteName(o.GetTypeName().Names)
		case o.GetObjectWithArgs() != nil:
			name = syntax.QuoteName(o.GetObjectWithArgs().Objname)
		default:
			name = syntax.QuoteName([]*pgquery.Node{o})
		}
		if kind != "" && !b.created[name] {
			b.addChange(name, "%s %s is dropped", kind, displayName(name))
		}
	}
}

func (b *compatibilityCheck) rename(s *pgquery.RenameStmt) {
	if s.Relation == nil || b.created[syntax.QuoteRelation(s.Relation)] {
		return
	}
	name := syntax.QuoteRelation(s.Relation)
	switch kind := kindsUsedByName[s.RenameType]; {
	case s.RenameType == pgquery.ObjectType_OBJECT_COLUMN:
		b.addChange(name+"."+s.Subname, "column %s.%s is renamed to %s", displayName(name), s.Subname, s.Newname)
	case kind != "":
		b.addChange(name, "%s %s is renamed to %s", kind, displayName(name), s.Newname)
	}
}

func (b *compatibilityCheck) alterTable(s *pgquery.AlterTableStmt) {
	table := syntax.QuoteRelation(s.Relation)
	if s.Objtype != pgquery.ObjectType_OBJECT_TABLE || b.created[table] {
		return
	}
	for _, n := range s.Cmds {
		cmd := n.GetAlterTableCmd()
		column := table + "." + cmd.GetName()
		switch def := cmd.GetDef().GetColumnDef(); cmd.GetSubtype() {
		case pgquery.AlterTableType_AT_DropColumn:
			b.addChange(column, "column %s is dropped", displayName(column))
		case pgquery.AlterTableType_AT_AlterColumnType:
			if !acceptsAnyValue(def.GetTypeName()) {
				b.addChange(column, "column %s changes to a type that may be narrower: %s", displayName(column), typeText(def.GetTypeName()))
			}
		case pgquery.AlterTableType_AT_ColumnDefault:
			if b.defaults[column] = cmd.Def != nil; cmd.Def == nil {
				b.addChange(column, "column %s loses its default", displayName(column))
			}
		case pgquery.AlterTableType_AT_SetNotNull:
			if !b.defaults[column] {
				b.addChange(column, "column %s becomes NOT NULL", displayName(column))
			}
		case pgquery.AlterTableType_AT_AddColumn:
			b.addColumn(table, def)
		}
	}
}

// addColumn checks a new column: the INSERT statements of an older version do not set it.
func (b *compatibilityCheck) addColumn(table string, def *pgquery.ColumnDef) {
	column := table + "." + def.GetColname()
	notNull := def.GetIsNotNull()
	hasDefault := strings.Contains(typeText(def.GetTypeName()), "serial")
	for _, n := range def.GetConstraints() {
		switch n.GetConstraint().GetContype() {
		case pgquery.ConstrType_CONSTR_NOTNULL, pgquery.ConstrType_CONSTR_PRIMARY:
			notNull = true
		case pgquery.ConstrType_CONSTR_DEFAULT, pgquery.ConstrType_CONSTR_IDENTITY, pgquery.ConstrType_CONSTR_GENERATED:
			hasDefault = true
		}
	}
	b.defaults[column] = hasDefault
	if notNull && !hasDefault {
		b.addChange(column, "new column %s is NOT NULL and has no default", displayName(column))
	}
}

// acceptsAnyValue reports whether a type holds the values of every type that the column is
// likely to have had, without an error and without a loss of precision.
func acceptsAnyValue(t *pgquery.TypeName) bool {
	switch typeText(t) {
	case "text", "varchar", "int8", "numeric", "float8", "timestamptz", "jsonb":
		return true
	}
	return false
}

// typeText returns a type's name without pg_catalog, with its modifiers.
func typeText(t *pgquery.TypeName) string {
	if len(t.GetNames()) == 0 {
		return ""
	}
	text := t.Names[len(t.Names)-1].GetString_().GetSval()
	var mods []string
	for _, m := range t.Typmods {
		mods = append(mods, fmt.Sprint(m.GetAConst().GetIval().GetIval()))
	}
	if len(mods) > 0 {
		text += "(" + strings.Join(mods, ",") + ")"
	}
	return text + strings.Repeat("[]", len(t.ArrayBounds))
}

// displayName returns a quoted name without its quotation marks.
func displayName(name string) string { return strings.ReplaceAll(name, `"`, "") }
