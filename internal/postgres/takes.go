package postgres

import (
	"io"
	"strings"

	pgquery "github.com/pganalyze/pg_query_go/v6"

	"github.com/shiplock/shiplock/internal/sqlfile"
)

// takes is what a statement takes away, by the names that things have before the
// first statement of all.
type takes struct {
	how    string // "DROP TABLE"
	line   int
	table  string // quoted, as in SQL; a schema's, type's or extension's name where expand says so
	column string
	// where restricts the rows: what follows FROM, of a DELETE.
	where string
	// expand is what table is, where it is not a table: the tables or columns are
	// found in the catalogs.
	expand expansion
	// opaque is why nobody can tell what it takes.
	opaque string
	path   string // SQL that sets the search_path
}

type expansion string

// What a name can stand for.
const (
	tablesOfSchema   expansion = "schema"
	columnsOfType    expansion = "type"
	columnsOfPackage expansion = "extension"
	tablesReferring  expansion = "references"
)

// ledger follows the names through the statements of several files.
type ledger struct {
	tables  map[string]string // new quoted name: the one at present
	columns map[string]string // present table, a dot, new column: the one at present
	created map[string]bool   // made on the way, so nothing of today is in it
	path    string
	grammar int32 // the parser's, without which it prints nothing
	out     []takes
}

// read collects what a file takes, but for its first statements, which are in
// effect. A file is read bit by bit and only what can matter is parsed.
func (l *ledger) read(from io.Reader, done int) error {
	l.path = ""
	return eachStatement(from, func(p sqlfile.Piece) {
		if done--; done < 0 && matters(p) {
			l.statement(p)
		}
	})
}

// matters says whether a statement can take something away, or move a name.
func matters(p sqlfile.Piece) bool {
	switch p.Word {
	case "alter", "create", "delete", "do", "drop", "merge", "set", "truncate", "with":
		return true
	}
	return mayTake(string(p.Text))
}

// mayTake looks for words only: what it finds has to be parsed, or cannot be.
func mayTake(text string) bool {
	text = strings.Join(strings.Fields(strings.ToLower(text)), " ")
	for _, words := range []string{"delete from", "truncate", "drop table", "drop column", "drop schema"} {
		if strings.Contains(text, words) {
			return true
		}
	}
	return false
}

func (l *ledger) statement(p sqlfile.Piece) {
	line := lineIn(p, p.Start)
	text, tree := parsed(p)
	if tree == nil {
		if mayTake(text) {
			l.add(takes{how: firstWords(text), line: line, opaque: "the parser here does not know this SQL"})
		}
		return
	}
	before := len(l.out)
	l.grammar = tree.Version
	l.node(tree.Stmts[0].Stmt, bare(text))
	for i := before; i < len(l.out); i++ {
		l.out[i].line = line
	}
}

func (l *ledger) add(t takes) {
	t.path = l.path
	l.out = append(l.out, t)
}

func (l *ledger) node(n *pgquery.Node, text string) {
	switch s := n.Node.(type) {
	case *pgquery.Node_DropStmt:
		l.drop(s.DropStmt)
	case *pgquery.Node_AlterTableStmt:
		l.alterTable(s.AlterTableStmt)
	case *pgquery.Node_TruncateStmt:
		for _, rel := range s.TruncateStmt.Relations {
			l.rows("TRUNCATE", rel.GetRangeVar(), s.TruncateStmt.Behavior == pgquery.DropBehavior_DROP_CASCADE)
		}
	case *pgquery.Node_RenameStmt:
		l.rename(s.RenameStmt)
	case *pgquery.Node_AlterObjectSchemaStmt:
		if rel := s.AlterObjectSchemaStmt.Relation; rel != nil {
			l.move(rel, &pgquery.RangeVar{Schemaname: s.AlterObjectSchemaStmt.Newschema, Relname: rel.Relname})
		}
	case *pgquery.Node_CreateStmt:
		l.created[nameIn(s.CreateStmt.Relation)] = !s.CreateStmt.IfNotExists
	case *pgquery.Node_CreateTableAsStmt:
		l.created[nameIn(s.CreateTableAsStmt.Into.GetRel())] = !s.CreateTableAsStmt.IfNotExists
	case *pgquery.Node_VariableSetStmt:
		if s.VariableSetStmt.Name == "search_path" {
			l.path += text + ";\n"
		}
	case *pgquery.Node_DoStmt:
		if mayTake(text) {
			l.add(takes{how: "DO", opaque: "a DO block deletes or drops; what, is known when it runs"})
		}
	case *pgquery.Node_DropOwnedStmt:
		l.add(takes{how: "DROP OWNED", opaque: "it drops all that a role owns"})
	}
	within(n, func(d *pgquery.DeleteStmt) { l.delete(d) }, func(*pgquery.MergeStmt) {
		if mayTake(strings.ReplaceAll(strings.ToLower(text), "then delete", "delete from")) {
			l.add(takes{how: "MERGE", opaque: "a MERGE deletes; which rows, is known when it runs"})
		}
	})
}

func (l *ledger) drop(s *pgquery.DropStmt) {
	cascade := s.Behavior == pgquery.DropBehavior_DROP_CASCADE
	for _, o := range s.Objects {
		switch s.RemoveType {
		case pgquery.ObjectType_OBJECT_TABLE:
			l.rows("DROP TABLE", rangeOf(o.GetList().GetItems()), false)
		case pgquery.ObjectType_OBJECT_SCHEMA:
			if cascade {
				l.add(takes{how: "DROP SCHEMA", table: quoted([]*pgquery.Node{o}), expand: tablesOfSchema})
			}
		case pgquery.ObjectType_OBJECT_TYPE, pgquery.ObjectType_OBJECT_DOMAIN:
			if cascade {
				l.add(takes{how: "DROP TYPE", table: quoted(o.GetTypeName().GetNames()), expand: columnsOfType})
			}
		case pgquery.ObjectType_OBJECT_EXTENSION:
			if cascade {
				l.add(takes{how: "DROP EXTENSION", table: quoted([]*pgquery.Node{o}), expand: columnsOfPackage})
			}
		}
	}
}

func (l *ledger) alterTable(s *pgquery.AlterTableStmt) {
	if s.Objtype != pgquery.ObjectType_OBJECT_TABLE {
		return
	}
	table, present := l.present(s.Relation)
	for _, n := range s.Cmds {
		cmd := n.GetAlterTableCmd()
		switch key := table + "." + cmd.GetName(); {
		case !present:
		case cmd.GetSubtype() == pgquery.AlterTableType_AT_AddColumn:
			l.columns[table+"."+cmd.GetDef().GetColumnDef().GetColname()] = "" // nothing of today
		case cmd.GetSubtype() == pgquery.AlterTableType_AT_DropColumn:
			column, moved := l.columns[key]
			if !moved {
				column = cmd.GetName()
			}
			if column != "" {
				l.add(takes{how: "DROP COLUMN", table: table, column: column})
			}
		}
	}
}

// rows notes that all rows of a table go.
func (l *ledger) rows(how string, rel *pgquery.RangeVar, referring bool) {
	table, present := l.present(rel)
	if !present {
		return
	}
	l.add(takes{how: how, table: table})
	if referring {
		l.add(takes{how: how + " CASCADE", table: table, expand: tablesReferring})
	}
}

// delete notes the rows that a DELETE finds.
func (l *ledger) delete(s *pgquery.DeleteStmt) {
	table, present := l.present(s.Relation)
	if !present {
		return
	}
	t := takes{how: "DELETE", table: table}
	if s.WhereClause != nil || len(s.UsingClause) > 0 {
		sel := &pgquery.SelectStmt{
			FromClause:  append([]*pgquery.Node{{Node: &pgquery.Node_RangeVar{RangeVar: s.Relation}}}, s.UsingClause...),
			WhereClause: s.WhereClause, WithClause: s.WithClause,
			LimitOption: pgquery.LimitOption_LIMIT_OPTION_DEFAULT, Op: pgquery.SetOperation_SETOP_NONE,
		}
		one := &pgquery.ResTarget{Val: pgquery.MakeAConstIntNode(1, -1)}
		sel.TargetList = []*pgquery.Node{{Node: &pgquery.Node_ResTarget{ResTarget: one}}}
		tree := &pgquery.ParseResult{Version: l.grammar, Stmts: []*pgquery.RawStmt{{Stmt: &pgquery.Node{Node: &pgquery.Node_SelectStmt{SelectStmt: sel}}}}}
		if text, err := pgquery.Deparse(tree); err == nil {
			t.where = text
		}
	}
	l.add(t)
}

func (l *ledger) rename(s *pgquery.RenameStmt) {
	if s.Relation == nil {
		return
	}
	switch s.RenameType {
	case pgquery.ObjectType_OBJECT_TABLE:
		l.move(s.Relation, &pgquery.RangeVar{Schemaname: s.Relation.Schemaname, Relname: s.Newname})
	case pgquery.ObjectType_OBJECT_COLUMN:
		table, _ := l.present(s.Relation)
		old, moved := l.columns[table+"."+s.Subname]
		if !moved {
			old = s.Subname
		}
		l.columns[table+"."+s.Newname] = old
	}
}

func (l *ledger) move(from, to *pgquery.RangeVar) {
	table, present := l.present(from)
	if !present {
		l.created[nameIn(to)] = true
		return
	}
	l.tables[nameIn(to)] = table
	delete(l.created, nameIn(to))
}

// present is the name that a table has now; false for one that is yet to be made.
func (l *ledger) present(rel *pgquery.RangeVar) (string, bool) {
	name := nameIn(rel)
	if l.created[name] || rel.GetRelpersistence() == "t" {
		return "", false
	}
	if now, moved := l.tables[name]; moved {
		return now, true
	}
	return name, true
}

func nameIn(rel *pgquery.RangeVar) string { return qualified(rel.GetSchemaname(), rel.GetRelname()) }

// rangeOf is a name, qualified or not, of the list of a DROP.
func rangeOf(name []*pgquery.Node) *pgquery.RangeVar {
	rel := &pgquery.RangeVar{}
	if n := len(name); n > 0 {
		rel.Relname = name[n-1].GetString_().GetSval()
		if n > 1 {
			rel.Schemaname = name[n-2].GetString_().GetSval()
		}
	}
	return rel
}

func newLedger() *ledger {
	return &ledger{tables: map[string]string{}, columns: map[string]string{}, created: map[string]bool{}}
}
