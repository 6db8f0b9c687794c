package lint

import (
	"regexp"
	"slices"
	"strings"
	"sync"

	pgquery "github.com/pganalyze/pg_query_go/v6"
	"google.golang.org/protobuf/proto"

	"github.com/shiplock/shiplock/internal/script/syntax"
)

// StatementChange is data that one statement removes, by the names in the statement.
type StatementChange struct {
	Operation string            // for example, "DROP TABLE"
	Rel       *pgquery.RangeVar // nil if object or undetermined is set
	Column    string
	Object    string // SQL name of the object that expand describes
	Expand    Dependency
	// ifExists is set if the statement ignores missing objects.
	ifExists bool
	// Rows selects the affected rows; nil for all.
	Rows *pgquery.SelectStmt
	// NewType is the new type of the column as SQL. Values that it cannot represent are lost.
	NewType string
	// UnknownRows is the reason why the affected rows cannot be determined.
	UnknownRows string
	// Undetermined is the reason why the affected objects cannot be determined.
	Undetermined string
	// CountedByServer is set if the server counts the rows while deleting them; see dataloss.Counter.CheckSQL.
	CountedByServer bool
}

// A Dependency is how an object determines the affected tables and columns.
type Dependency string

const (
	InSchema      Dependency = "schema"
	OfType        Dependency = "type"
	OfExtension   Dependency = "extension"
	OfCollation   Dependency = "collation"
	OfFunction    Dependency = "function" // every function of this name
	OfTable       Dependency = "table"    // dependent objects, without the table's own rows
	Referring     Dependency = "references"
	ColumnsOfType Dependency = "attribute" // columns of a composite type
)

// StatementChangesOf returns the data that a statement removes; text is its text.
func StatementChangesOf(n *pgquery.Node, text string) []StatementChange {
	var t statementChanges
	switch s := n.Node.(type) {
	case *pgquery.Node_DropStmt:
		t.drop(s.DropStmt)
	case *pgquery.Node_AlterTableStmt:
		t.alterTable(s.AlterTableStmt)
	case *pgquery.Node_TruncateStmt:
		t.truncate(s.TruncateStmt)
	case *pgquery.Node_DropOwnedStmt:
		t.addUndetermined("DROP OWNED", "it drops everything that a role owns")
	case *pgquery.Node_DropdbStmt:
		t.addUndetermined("DROP DATABASE", "it drops everything that a database contains")
	case *pgquery.Node_DoStmt:
		if BodyIsDestructive(text) {
			t.addUndetermined("DO", "a DO block deletes rows or drops objects, which are known only at run time")
		}
		return t.changes
	case *pgquery.Node_SelectStmt, *pgquery.Node_CallStmt, *pgquery.Node_ExecuteStmt:
		if callsFunction(n) && BodyIsDestructive(text) {
			t.addUndetermined(statementKeyword(text), "it calls a function with SQL that deletes rows or drops objects, which are known only at run time")
		}
	case *pgquery.Node_RuleStmt, *pgquery.Node_CreateFunctionStmt:
		return nil // their statements run later
	}
	syntax.WalkNodes(n, func(m proto.Message) {
		switch s := m.(type) {
		case *pgquery.DeleteStmt:
			t.delete(s)
		case *pgquery.UpdateStmt:
			t.update(s)
		case *pgquery.InsertStmt:
			if c := s.OnConflictClause; c.GetAction() == pgquery.OnConflictAction_ONCONFLICT_UPDATE {
				t.overwrite("INSERT … ON CONFLICT DO UPDATE", s.Relation, c.TargetList)
			}
		case *pgquery.MergeStmt:
			t.merge(s)
		case *pgquery.FuncCall:
			if name := syntax.LastName(s.Funcname); name == "lo_unlink" {
				t.addUndetermined(statementKeyword(text), "lo_unlink deletes a large object")
			}
		}
	})
	return t.changes
}

// grammarVersion is the version in the parser's trees, which the deparser requires.
var grammarVersion = sync.OnceValue(func() int32 {
	tree, err := pgquery.Parse("SELECT 1")
	if err != nil {
		return 0
	}
	return tree.Version
})

type statementChanges struct{ changes []StatementChange }

func (t *statementChanges) add(change StatementChange) { t.changes = append(t.changes, change) }
func (t *statementChanges) addUndetermined(operation, why string) {
	t.add(StatementChange{Operation: operation, Undetermined: why})
}

func (t *statementChanges) drop(s *pgquery.DropStmt) {
	cascade := s.Behavior == pgquery.DropBehavior_DROP_CASCADE
	for _, o := range s.Objects {
		object := func(operation string, name []*pgquery.Node, kind Dependency) {
			if cascade {
				t.add(StatementChange{Operation: operation, Object: syntax.QuoteName(name), Expand: kind, ifExists: s.MissingOk})
			}
		}
		switch s.RemoveType {
		case pgquery.ObjectType_OBJECT_TABLE:
			rel := syntax.RangeOf(o.GetList().GetItems())
			t.add(StatementChange{Operation: "DROP TABLE", Rel: rel, ifExists: s.MissingOk})
			if cascade {
				t.add(StatementChange{Operation: "DROP TABLE CASCADE", Rel: rel, Expand: OfTable, ifExists: s.MissingOk})
			}
		case pgquery.ObjectType_OBJECT_SCHEMA:
			object("DROP SCHEMA", []*pgquery.Node{o}, InSchema)
		case pgquery.ObjectType_OBJECT_TYPE, pgquery.ObjectType_OBJECT_DOMAIN:
			object("DROP TYPE", o.GetTypeName().GetNames(), OfType)
		case pgquery.ObjectType_OBJECT_EXTENSION:
			object("DROP EXTENSION", []*pgquery.Node{o}, OfExtension)
		case pgquery.ObjectType_OBJECT_COLLATION:
			object("DROP COLLATION", o.GetList().GetItems(), OfCollation)
		case pgquery.ObjectType_OBJECT_FUNCTION, pgquery.ObjectType_OBJECT_PROCEDURE, pgquery.ObjectType_OBJECT_ROUTINE:
			if name := o.GetObjectWithArgs().GetObjname(); len(name) > 0 {
				object("DROP FUNCTION", name[len(name)-1:], OfFunction)
			}
		case pgquery.ObjectType_OBJECT_ACCESS_METHOD:
			if cascade {
				t.addUndetermined("DROP ACCESS METHOD", "it drops the tables that use it")
			}
		}
	}
}

func (t *statementChanges) alterTable(s *pgquery.AlterTableStmt) {
	for _, n := range s.Cmds {
		cmd := n.GetAlterTableCmd()
		drops, changes := cmd.GetSubtype() == pgquery.AlterTableType_AT_DropColumn, cmd.GetSubtype() == pgquery.AlterTableType_AT_AlterColumnType
		switch {
		case !drops && !changes:
		case s.Objtype == pgquery.ObjectType_OBJECT_TYPE:
			t.add(StatementChange{Operation: "ALTER TYPE", Object: syntax.QuoteQualified(s.Relation.GetSchemaname(), s.Relation.GetRelname()), Expand: ColumnsOfType,
				UnknownRows: "values deleted with an attribute are not counted"})
		case s.Objtype != pgquery.ObjectType_OBJECT_TABLE:
		case drops:
			t.add(StatementChange{Operation: "DROP COLUMN", Rel: s.Relation, Column: cmd.Name, ifExists: s.MissingOk || cmd.MissingOk})
		default:
			t.alterType(s, cmd)
		}
	}
}

// lossless are types that represent every value for which PostgreSQL has an implicit cast, or
// reject it.
var lossless = []string{"text", "varchar", "name", "citext", "bytea", "uuid"}

func (t *statementChanges) alterType(s *pgquery.AlterTableStmt, cmd *pgquery.AlterTableCmd) {
	def := cmd.GetDef().GetColumnDef()
	change := StatementChange{Operation: "ALTER COLUMN TYPE", Rel: s.Relation, Column: cmd.Name, ifExists: s.MissingOk}
	switch name := syntax.LastName(def.GetTypeName().GetNames()); {
	case def.GetRawDefault() != nil:
		change.UnknownRows = "USING determines the new values"
	case slices.Contains(lossless, name):
		return
	default:
		// A type is printed as part of a cast.
		text := SQLOf(&pgquery.SelectStmt{TargetList: []*pgquery.Node{pgquery.MakeResTargetNodeWithVal(
			&pgquery.Node{Node: &pgquery.Node_TypeCast{TypeCast: &pgquery.TypeCast{Arg: pgquery.MakeAConstIntNode(1, -1), TypeName: def.GetTypeName()}}}, -1)},
			LimitOption: pgquery.LimitOption_LIMIT_OPTION_DEFAULT, Op: pgquery.SetOperation_SETOP_NONE})
		_, typ, found := strings.Cut(text, "1::")
		if change.NewType = typ; !found {
			change.UnknownRows = "values that the new type cannot represent are known only at run time"
		}
	}
	t.add(change)
}

func (t *statementChanges) truncate(s *pgquery.TruncateStmt) {
	for _, n := range s.Relations {
		t.add(StatementChange{Operation: "TRUNCATE", Rel: n.GetRangeVar()})
		if s.Behavior == pgquery.DropBehavior_DROP_CASCADE {
			t.add(StatementChange{Operation: "TRUNCATE CASCADE", Rel: n.GetRangeVar(), Expand: Referring})
		}
	}
}

// delete adds the rows that a DELETE removes.
func (t *statementChanges) delete(s *pgquery.DeleteStmt) {
	change := StatementChange{Operation: "DELETE", Rel: s.Relation, CountedByServer: true}
	if s.WhereClause != nil || len(s.UsingClause) > 0 {
		change.Rows = selectOf(s.Relation, s.UsingClause, s.WhereClause, s.WithClause)
	}
	t.add(change)
}

// update adds the columns that an UPDATE empties. Writing another value is not a data loss.
func (t *statementChanges) update(s *pgquery.UpdateStmt) {
	for _, name := range emptied(s.TargetList) {
		filled := &pgquery.Node{Node: &pgquery.Node_NullTest{NullTest: &pgquery.NullTest{Arg: columnOf(s.Relation, name), Nulltesttype: pgquery.NullTestType_IS_NOT_NULL}}}
		where := filled
		if s.WhereClause != nil {
			where = &pgquery.Node{Node: &pgquery.Node_BoolExpr{BoolExpr: &pgquery.BoolExpr{Boolop: pgquery.BoolExprType_AND_EXPR, Args: []*pgquery.Node{filled, s.WhereClause}}}}
		}
		t.add(StatementChange{Operation: "UPDATE", Rel: s.Relation, Column: name, Rows: selectOf(s.Relation, s.FromClause, where, s.WithClause)})
	}
}

// emptied returns the columns that a SET assigns NULL, DEFAULT or an empty string.
func emptied(targets []*pgquery.Node) []string {
	var out []string
	for _, n := range targets {
		target := n.GetResTarget()
		val := target.GetVal()
		if several := val.GetMultiAssignRef(); several != nil {
			if row := several.Source.GetRowExpr().GetArgs(); int(several.Colno) <= len(row) {
				val = row[several.Colno-1]
			}
		}
		for val.GetTypeCast() != nil {
			val = val.GetTypeCast().Arg
		}
		c := val.GetAConst()
		if target != nil && len(target.Indirection) == 0 && (val.GetSetToDefault() != nil || c.GetIsnull() || c.GetSval() != nil && c.GetSval().Sval == "") {
			out = append(out, target.Name)
		}
	}
	return out
}

func (t *statementChanges) merge(s *pgquery.MergeStmt) {
	for _, n := range s.MergeWhenClauses {
		switch clause := n.GetMergeWhenClause(); clause.GetCommandType() {
		case pgquery.CmdType_CMD_DELETE:
			t.addUndetermined("MERGE", "MERGE deletes rows, which are known only at run time")
		case pgquery.CmdType_CMD_UPDATE:
			t.overwrite("MERGE", s.Relation, clause.TargetList)
		}
	}
}

// overwrite adds emptied columns in rows that cannot be determined in advance.
func (t *statementChanges) overwrite(operation string, rel *pgquery.RangeVar, targets []*pgquery.Node) {
	for _, name := range emptied(targets) {
		t.add(StatementChange{Operation: operation, Rel: rel, Column: name, UnknownRows: "the changed rows are known only at run time"})
	}
}

// SQLOf returns a query as SQL, or "" if it cannot be printed.
func SQLOf(s *pgquery.SelectStmt) string {
	return statementSQL(&pgquery.Node{Node: &pgquery.Node_SelectStmt{SelectStmt: s}})
}

// statementSQL prints a syntax tree, or "" if it cannot be printed.
func statementSQL(n *pgquery.Node) string {
	tree := &pgquery.ParseResult{Version: grammarVersion(), Stmts: []*pgquery.RawStmt{{Stmt: n}}}
	text, err := pgquery.Deparse(tree)
	if err != nil {
		return ""
	}
	return text
}

// selectOf returns a query of the rows that a statement affects.
func selectOf(rel *pgquery.RangeVar, from []*pgquery.Node, where *pgquery.Node, with *pgquery.WithClause) *pgquery.SelectStmt {
	return &pgquery.SelectStmt{
		TargetList:  []*pgquery.Node{pgquery.MakeResTargetNodeWithVal(pgquery.MakeAConstIntNode(1, -1), -1)},
		FromClause:  append([]*pgquery.Node{{Node: &pgquery.Node_RangeVar{RangeVar: rel}}}, from...),
		WhereClause: where, WithClause: with,
		LimitOption: pgquery.LimitOption_LIMIT_OPTION_DEFAULT, Op: pgquery.SetOperation_SETOP_NONE,
	}
}

// columnOf returns a reference to a column of a table, by the table's alias if it has one.
func columnOf(rel *pgquery.RangeVar, name string) *pgquery.Node {
	table := rel.GetRelname()
	if alias := rel.GetAlias().GetAliasname(); alias != "" {
		table = alias
	}
	return pgquery.MakeColumnRefNode([]*pgquery.Node{pgquery.MakeStrNode(table), pgquery.MakeStrNode(name)}, -1)
}

// callsFunction reports whether a statement calls a function.
func callsFunction(n *pgquery.Node) (yes bool) {
	syntax.WalkNodes(n, func(m proto.Message) {
		switch m.(type) {
		case *pgquery.FuncCall, *pgquery.ExecuteStmt:
			yes = true
		}
	})
	return yes
}

// statementKeyword returns the first word of a statement.
func statementKeyword(text string) string {
	word, _, _ := strings.Cut(strings.TrimSpace(text), " ")
	return strings.ToUpper(word)
}

var (
	bodyWords = regexp.MustCompile(`(?i)\bdelete\s+(?:from|only)\b|\bdelete\s*(?:'|\|)|\btruncate\s+([^\s,]+)|\btruncate\s*'|\bmerge\s+into\b|\bset\s+[^;]*=\s*(?:null\b|default\b|'')|\blo_unlink\b`)
	bodyDrops = regexp.MustCompile(`(?i)\bdrop\s+([a-z_]+|\S)`)
	// harmlessDrops are the kinds of objects, and of parts of a column or table, that contain no
	// rows.
	harmlessDrops = []string{"constraint", "index", "trigger", "view", "materialized", "function", "procedure", "routine", "aggregate", "policy", "default",
		"not", "identity", "expression", "rule", "sequence", "role", "user", "group", "server", "event", "publication", "subscription", "cast", "operator", "statistics", "text", "conversion", "language", "transform", "foreign"}
)

// BodyIsDestructive reports whether the source of a DO block or function, or SQL in a string,
// contains a statement that removes data.
func BodyIsDestructive(text string) bool {
	for _, m := range bodyWords.FindAllStringSubmatch(text, -1) {
		if !strings.EqualFold(m[1], "on") { // excludes GRANT TRUNCATE ON
			return true
		}
	}
	for _, m := range bodyDrops.FindAllStringSubmatch(text, -1) {
		if !slices.Contains(harmlessDrops, strings.ToLower(m[1])) {
			return true
		}
	}
	return false
}
