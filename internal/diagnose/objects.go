package diagnose

import (
	"fmt"
	"io"
	"strings"

	"github.com/lib/pq/pqerror"
	pgquery "github.com/pganalyze/pg_query_go/v6"

	"github.com/shiplock/shiplock/internal/migrationerror"
	"github.com/shiplock/shiplock/internal/script/syntax"
	"github.com/shiplock/shiplock/internal/servermessage"
)

// Limits of the search for a name.
const (
	maxNames       = 1000 // relations in the database
	maxLaterFiles  = 50
	maxLaterBytes  = 256 << 10 // per file
	maxHistoryRows = 20        // rows of the history table
)

// missingRelation searches for a relation that does not exist: in other schemas, under a similar
// name, in a later migration, and in a migration that dropped it.
func (d *diagnosis) missingRelation() migrationerror.Reason {
	names := servermessage.QuotedNames(d.fail.Server())
	if len(names) == 0 {
		return migrationerror.Reason{}
	}
	name := names[0][strings.LastIndexByte(names[0], '.')+1:]
	if file := d.laterMigration(name); file != "" {
		return migrationerror.Reason{Causes: []string{fmt.Sprintf("%s is created by %s, a later migration", name, file)}, LaterFile: file}
	}
	for _, s := range d.query(`SELECT n.nspname, current_setting('search_path') FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relname = $1 AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') ORDER BY 1 LIMIT 1`, name) {
		return migrationerror.Reason{Causes: []string{fmt.Sprintf("%s.%s exists, but the search_path is %s", syntax.QuoteIfNeeded(s[0]), syntax.QuoteIfNeeded(name), s[1])}, Fix: syntax.QuoteIfNeeded(s[0]) + "." + syntax.QuoteIfNeeded(name)}
	}
	if run := d.historyMigration(name, func(d definition) bool { return d.drops }); run != "" {
		return migrationerror.Reason{Causes: []string{"dropped by " + run}}
	}
	var r migrationerror.Reason
	best := 3
	for _, s := range d.query(`SELECT relname FROM pg_catalog.pg_class WHERE relkind IN ('r', 'p', 'v', 'm', 'f') AND pg_catalog.pg_table_is_visible(oid)
		AND relnamespace <> 'pg_catalog'::regnamespace ORDER BY 1 LIMIT $1`, maxNames) {
		if d := levenshtein(s[0], name); d < best && d < len(name) {
			best, r = d, migrationerror.Reason{Causes: []string{"the table does not exist; a similar name exists: " + syntax.QuoteIfNeeded(s[0])}, Fix: syntax.QuoteIfNeeded(s[0])}
		}
	}
	if r.Causes == nil && d.err == nil {
		r.Causes = []string{"it does not exist in any schema of this database, and no applied or pending migration creates it"}
	}
	return r
}

// existingObject reports what created an object that already exists.
func (d *diagnosis) existingObject() migrationerror.Reason {
	server := d.fail.Server()
	names := servermessage.QuotedNames(server)
	if len(names) == 0 {
		return migrationerror.Reason{}
	}
	name := names[0]
	wanted := func(d definition) bool { return !d.drops }
	if run := d.historyMigration(name, wanted); run != "" {
		return migrationerror.Reason{Causes: []string{"created by " + run}}
	}
	if d.createdInFile(name) {
		return migrationerror.Reason{Causes: []string{"created by an earlier statement of this migration"}}
	}
	owner := ""
	if server.Code == pqerror.DuplicateTable {
		if s := d.queryRow(`SELECT pg_catalog.pg_get_userbyid(relowner) FROM pg_catalog.pg_class WHERE relname = $1 ORDER BY pg_catalog.pg_table_is_visible(oid) DESC LIMIT 1`, name); s != nil {
			owner = fmt.Sprintf("; owner: %s", syntax.QuoteIfNeeded(s[0]))
		}
	}
	if d.err != nil {
		return migrationerror.Reason{}
	}
	return migrationerror.Reason{Causes: []string{"not created by a migration in the history table, but manually, by another tool, or before the history table existed" + owner}, External: true}
}

// createdInFile reports whether an earlier statement of the same file creates the object.
func (d *diagnosis) createdInFile(name string) bool {
	if d.fail.Script == nil || d.fail.FailedIndex < 0 {
		return false
	}
	for _, st := range d.fail.Script.Statements[:min(d.fail.FailedIndex, len(d.fail.Script.Statements))] {
		for _, d := range definitionsOf(st.Node) {
			if d.name == name && !d.drops {
				return true
			}
		}
	}
	return false
}

// laterMigration returns the file of the first pending migration that creates a relation.
func (d *diagnosis) laterMigration(name string) string {
	for i, s := range d.following {
		if i == maxLaterFiles || s.Open == nil {
			break
		}
		f, err := s.Open()
		if err != nil {
			continue
		}
		text, err := io.ReadAll(io.LimitReader(f, maxLaterBytes))
		_ = f.Close()
		if err == nil && strings.Contains(strings.ToLower(string(text)), strings.ToLower(name)) && defines(string(text), name, func(d definition) bool { return !d.drops }) {
			return s.File
		}
	}
	return ""
}

// historyMigration returns the latest migration in the history table that has a definition of name
// for which wanted returns true.
func (d *diagnosis) historyMigration(name string, wanted func(definition) bool) string {
	if !d.store.HistoryExists {
		return ""
	}
	for _, s := range d.query(`SELECT version, name, direction, coalesce(CASE direction WHEN 'up' THEN up_sql ELSE down_sql END, '') FROM `+d.store.HistoryQuery()+` history
		WHERE outcome IN ('applied', 'partially applied', 'running') AND strpos(lower(CASE direction WHEN 'up' THEN up_sql ELSE down_sql END), lower($1)) > 0 ORDER BY id DESC LIMIT $2`, name, maxHistoryRows) {
		if defines(s[3], name, wanted) {
			return fmt.Sprintf("migration %s_%s.%s.sql", s[0], s[1], s[2])
		}
	}
	return ""
}

// A definition is the name of a relation, type or column that a statement creates or drops.
type definition struct {
	name  string
	drops bool
}

func defines(sql, name string, wanted func(definition) bool) bool {
	tree, err := pgquery.Parse(sql)
	if err != nil {
		return false
	}
	for _, raw := range tree.Stmts {
		for _, d := range definitionsOf(raw.Stmt) {
			if d.name == name && wanted(d) {
				return true
			}
		}
	}
	return false
}

func definitionsOf(n *pgquery.Node) []definition {
	var out []definition
	add := func(name string, drops bool) { out = append(out, definition{name, drops}) }
	switch s := n.GetNode().(type) {
	case *pgquery.Node_CreateStmt:
		add(s.CreateStmt.GetRelation().GetRelname(), false)
		for _, e := range s.CreateStmt.TableElts {
			add(e.GetColumnDef().GetColname(), false)
		}
	case *pgquery.Node_CreateTableAsStmt:
		add(s.CreateTableAsStmt.GetInto().GetRel().GetRelname(), false)
	case *pgquery.Node_ViewStmt:
		add(s.ViewStmt.GetView().GetRelname(), false)
	case *pgquery.Node_IndexStmt:
		add(s.IndexStmt.Idxname, false)
	case *pgquery.Node_CreateSeqStmt:
		add(s.CreateSeqStmt.GetSequence().GetRelname(), false)
	case *pgquery.Node_CreateEnumStmt:
		add(syntax.LastName(s.CreateEnumStmt.TypeName), false)
	case *pgquery.Node_AlterTableStmt:
		for _, c := range s.AlterTableStmt.Cmds {
			cmd := c.GetAlterTableCmd()
			switch cmd.GetSubtype() {
			case pgquery.AlterTableType_AT_AddColumn:
				add(cmd.GetDef().GetColumnDef().GetColname(), false)
			case pgquery.AlterTableType_AT_AddConstraint:
				add(cmd.GetDef().GetConstraint().GetConname(), false)
			}
		}
	case *pgquery.Node_DropStmt:
		for _, o := range s.DropStmt.Objects {
			add(syntax.LastName(o.GetList().GetItems()), true)
		}
	case *pgquery.Node_RenameStmt:
		if s.RenameStmt.RenameType == pgquery.ObjectType_OBJECT_TABLE {
			add(s.RenameStmt.GetRelation().GetRelname(), true)
			add(s.RenameStmt.Newname, false)
		}
	}
	return out
}

// levenshtein returns the edit distance of two words.
func levenshtein(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		last := row[0]
		row[0] = i + 1
		for j := range len(b) {
			next := row[j+1]
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(last+cost, next+1, row[j]+1)
			last = next
		}
	}
	return row[len(b)]
}
