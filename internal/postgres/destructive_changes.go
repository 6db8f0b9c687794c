package postgres

import (
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	pgquery "github.com/pganalyze/pg_query_go/v6"
	"google.golang.org/protobuf/proto"

	"github.com/shiplock/shiplock/internal/sqlfile"
)

// destructiveChange is data that a statement removes, by the names that objects have before the
// first statement.
type destructiveChange struct {
	operation string // for example, "DROP TABLE"
	line      int
	table     string // quoted for SQL; with expand, the name of another object
	column    string
	// rows is a query of the affected rows; empty for all rows, or all with a value in column.
	rows    string
	newType string // new type of the column
	// expand is set if table is not a table: the tables or columns are found in the catalogs,
	// without those in except.
	expand dependency
	except []string
	// unknownRows is the reason why the affected rows cannot be determined.
	unknownRows string
	// undetermined is the reason why the affected objects cannot be determined.
	undetermined string
	// function is a called function, whose source determines whether it removes data.
	function string
}

// destructiveChanges collects the changes of several files and tracks the names of objects through
// their statements.
type destructiveChanges struct {
	*relations
	types     map[string]bool   // types created by the statements
	functions map[string]string // functions created by the statements, with the reason why a call removes data
	moved     bool              // a type or other object was renamed or moved
	own       OwnObjects        // of the current file
	changes   []destructiveChange
}

// OwnObjects are the objects that the statements of a rollback create themselves, so that dropping
// them is not a data loss.
type OwnObjects struct {
	changes map[string][]bool // by statement text
	tables  []string          // at the end of the file
}

func newDestructiveChanges(r *relations) *destructiveChanges {
	return &destructiveChanges{relations: r, types: map[string]bool{}, functions: map[string]string{}}
}

// read adds the changes of a file after its first done statements. The file is streamed, and only
// relevant statements are parsed.
func (c *destructiveChanges) read(from io.Reader, done int) error {
	c.searchPath, c.own = c.initialPath, OwnObjects{changes: map[string][]bool{}}
	defer func() { c.own.tables = c.createdTables() }()
	return readStatements(from, func(p sqlfile.Piece) {
		if done--; done < 0 && isRelevant(p) {
			c.statement(p)
		}
	})
}

// isRelevant reports whether a statement can remove data or change a name.
func isRelevant(p sqlfile.Piece) bool {
	switch p.Word {
	case "alter", "call", "create", "delete", "discard", "do", "drop", "execute", "insert", "merge", "prepare", "reset", "rollback", "select", "set", "truncate", "update", "with":
		return p.Word != "insert" || insertQueries.Match(p.Text) // a large file of plain INSERTs is not parsed
	}
	return mayBeDestructive(string(p.Text))
}

// insertQueries matches INSERTs with a query, which may remove data or call a function.
var insertQueries = regexp.MustCompile(`(?i)\bselect\b|\bwith\b|\bdo\s+update\b`)

// mayBeDestructive searches for keywords only; a match must be parsed or reported.
func mayBeDestructive(text string) bool {
	text = strings.Join(strings.Fields(strings.ToLower(text)), " ")
	for _, words := range []string{"delete from", "truncate", "drop table", "drop column", "drop schema"} {
		if strings.Contains(text, words) {
			return true
		}
	}
	return false
}

var (
	bodyWords = regexp.MustCompile(`(?i)\bdelete\s+(?:from|only)\b|\bdelete\s*(?:'|\|)|\btruncate\s+([^\s,]+)|\btruncate\s*'|\bmerge\s+into\b|\bset\s+[^;]*=\s*(?:null\b|default\b|'')|\blo_unlink\b`)
	bodyDrops = regexp.MustCompile(`(?i)\bdrop\s+([a-z_]+|\S)`)
	// harmlessDrops are the kinds of objects, and of parts of a column or table, that contain no
	// rows.
	harmlessDrops = []string{"constraint", "index", "trigger", "view", "materialized", "function", "procedure", "routine", "aggregate", "policy", "default",
		"not", "identity", "expression", "rule", "sequence", "role", "user", "group", "server", "event", "publication", "subscription", "cast", "operator", "statistics", "text", "conversion", "language", "transform", "foreign"}
)

// bodyIsDestructive reports whether the source of a DO block or function, or SQL in a string,
// contains a statement that removes data.
func bodyIsDestructive(text string) bool {
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

func (c *destructiveChanges) statement(p sqlfile.Piece) {
	line := lineInPiece(p, p.Start)
	text, tree := parseStatement(p)
	if tree == nil {
		c.uncertain = true
		if mayBeDestructive(text) {
			c.changes = append(c.changes, destructiveChange{operation: firstWords(text), line: line, undetermined: "the parser does not support this SQL"})
		}
		return
	}
	before, n := len(c.changes), tree.Stmts[0].Stmt
	for i, t := range statementChangesOf(n, trimSemicolon(text)) {
		c.resolve(t)
		c.own.record(trimSemicolon(text), i, !c.uncertain && c.isOwn(t))
	}
	c.trackCalls(n, text)
	c.trackNames(n)
	for i := before; i < len(c.changes); i++ {
		c.changes[i].line = line
	}
}

// record stores whether a change affects only objects that the statements created. If the statement
// occurs twice, both must.
func (o *OwnObjects) record(text string, i int, own bool) {
	if known := o.changes[text]; i < len(known) {
		known[i] = known[i] && own
	} else {
		o.changes[text] = append(known, own)
	}
}

// has reports whether a change of a statement affects only objects that the statements created.
func (o *OwnObjects) has(text string, i int) bool {
	return i < len(o.changes[text]) && o.changes[text][i]
}

func (c *destructiveChanges) isOwn(t statementChange) bool {
	if t.rel == nil {
		return c.types[t.object] && t.expand != inSchema
	}
	rel, _ := c.find(t.rel)
	return rel != nil && t.expand == "" && len(rel.attached) == 0 && (rel.isCreated() || t.column != "" && rel.column(t.column) == "")
}

func (c *destructiveChanges) add(t destructiveChange) { c.changes = append(c.changes, t) }

// resolve adds a change by the current names in the database.
func (c *destructiveChanges) resolve(t statementChange) {
	switch {
	case t.undetermined != "":
		c.add(destructiveChange{operation: t.operation, undetermined: t.undetermined})
		return
	case t.rel == nil:
		c.resolveObject(t)
		return
	case t.rel.GetRelpersistence() == "t":
		return
	}
	rel, schema := c.find(t.rel)
	switch {
	case schema == tempSchema:
	case rel == nil && c.uncertain:
		c.add(destructiveChange{operation: t.operation, undetermined: fmt.Sprintf("%s does not exist yet, and an earlier statement may create it", nameIn(t.rel))})
	case rel == nil: // the statement has no effect or fails
	case rel.kind == "f" && t.column == "" && (t.operation == "DELETE" || t.operation == "TRUNCATE"), rel.kind == "f" && (t.rows != nil || t.unknownRows != ""):
		c.add(destructiveChange{operation: t.operation, undetermined: nameIn(t.rel) + " is a foreign table; its rows are on another server"})
	case rel.kind == "v" && (t.rows != nil || t.operation == "DELETE" || t.unknownRows != ""):
		c.add(destructiveChange{operation: t.operation, undetermined: nameIn(t.rel) + " is a view; the affected tables and rows are known only at run time"})
	default:
		c.resolveTable(rel, t)
	}
}

func (c *destructiveChanges) resolveTable(rel *relation, t statementChange) {
	out := destructiveChange{operation: t.operation, table: rel.currentName, expand: t.expand, newType: t.newType, unknownRows: t.unknownRows}
	if t.column != "" {
		if out.column = rel.column(t.column); out.column == "" {
			return
		}
	}
	if t.rows != nil {
		if out.rows = c.currentRowsSQL(t.rows); out.rows == "" {
			out.unknownRows = "the affected rows are known only at run time"
		}
	}
	if len(rel.detached) > 0 && out.rows == "" && t.expand == "" {
		out.except = rel.detached
	}
	if !rel.isCreated() && rel.storesRows() {
		c.add(out)
	}
	if t.expand == "" {
		for _, child := range rel.attached {
			c.resolveTable(child, t)
		}
	}
}

// resolveObject adds a change of an object other than a table.
func (c *destructiveChanges) resolveObject(t statementChange) {
	if t.expand != inSchema {
		switch {
		case c.types[t.object]:
		case c.moved || c.uncertain:
			c.add(destructiveChange{operation: t.operation, undetermined: "earlier statements change names, so the objects that use " + t.object + " are known only at run time"})
		default:
			c.add(destructiveChange{operation: t.operation, table: t.object, expand: t.expand, unknownRows: t.unknownRows})
		}
		return
	}
	name := unquoted(t.object)
	now, there := c.currentSchemas[name]
	if c.noDatabase {
		now, there = name, true
	}
	if !there {
		if c.uncertain {
			c.add(destructiveChange{operation: t.operation, undetermined: fmt.Sprintf("schema %s does not exist yet, and an earlier statement may create it", t.object)})
		}
		return
	}
	in, gone := c.movedRelations(name)
	if now != "" {
		c.add(destructiveChange{operation: t.operation, table: quoteQualified("", now), expand: t.expand, except: gone})
	}
	for _, rel := range in {
		c.resolveTable(rel, statementChange{operation: t.operation})
	}
}

func unquoted(name string) string {
	return strings.ReplaceAll(strings.TrimSuffix(strings.TrimPrefix(name, `"`), `"`), `""`, `"`)
}

// currentRowsSQL returns a query with the current names in the database, or "" if its result may be
// different when the statement runs.
func (c *destructiveChanges) currentRowsSQL(rows *pgquery.SelectStmt) string {
	if c.uncertain {
		return ""
	}
	rows, _ = proto.Clone(rows).(*pgquery.SelectStmt)
	ctes, sure := map[string]bool{}, true
	node := &pgquery.Node{Node: &pgquery.Node_SelectStmt{SelectStmt: rows}}
	walkNodes(node, func(m proto.Message) {
		switch s := m.(type) {
		case *pgquery.CommonTableExpr:
			ctes[s.Ctename] = true
		case *pgquery.InsertStmt, *pgquery.UpdateStmt, *pgquery.DeleteStmt, *pgquery.MergeStmt:
			sure = false
		}
	})
	walkNodes(node, func(m proto.Message) {
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
			ref.Schemaname, ref.Relname = splitQualified(rel.currentName)
		}
	})
	if !sure {
		return ""
	}
	return sqlOf(rows)
}

// splitQualified is the inverse of quoteQualified.
func splitQualified(name string) (schema, table string) {
	parts := strings.SplitN(name, `"."`, 2)
	if len(parts) == 1 {
		return "", unquoted(name)
	}
	return unquoted(parts[0] + `"`), unquoted(`"` + parts[1])
}

func nameIn(rel *pgquery.RangeVar) string {
	return quoteQualified(rel.GetSchemaname(), rel.GetRelname())
}

// rangeOf returns a name in the list of a DROP.
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
