package postgres

import (
	"fmt"
	"strings"

	"github.com/lib/pq/pqerror"
	pgquery "github.com/pganalyze/pg_query_go/v6"
)

// Bounds of what is told of rows.
const (
	maxCounted = 10_000
	maxKeys    = 5
	maxKey     = 60 // characters
)

// everyRow is the condition of a rule that each row breaks.
const everyRow = "true"

// rule is what the rows of a table do not keep to.
type rule struct {
	table *pgquery.RangeVar
	// where is true for a row that breaks it; for a unique key, for the rows that it
	// covers, and by are its expressions.
	where string
	by    []string
	says  string // what such rows do
}

// rows counts the rows that a new constraint does not admit, and names some by their keys.
func (q *inquiry) rows() Reason {
	r, found := q.rule()
	if !found {
		return Reason{}
	}
	table := qualified(r.table.Schemaname, r.table.Relname)
	hides := q.row("SELECT pg_catalog.row_security_active(to_regclass($1))::text, current_user::text", table)
	var out Reason
	if len(r.by) > 0 {
		out = q.duplicates(table, r)
	} else {
		out = q.breaking(table, r)
	}
	if q.err != nil {
		return Reason{} // such as a column that the migration itself makes
	}
	if hides != nil && hides[0] == "true" { // a constraint and an index see every row
		readable := tableName{r.table.Schemaname, r.table.Relname}.readable()
		if out.Why == nil {
			return Reason{Why: []string{fmt.Sprintf("no row of %s that role %s may see breaks it: row security hides the others; look as a superuser or a role with BYPASSRLS", readable, ident(hides[1]))}}
		}
		out.Why = append(out.Why, fmt.Sprintf("row security of %s hides rows from role %s, which are not counted; look as a superuser or a role with BYPASSRLS", readable, ident(hides[1])))
	}
	if out.Why == nil && q.fail.FailedIndex > 0 && q.fail.Outcome == RolledBack {
		return Reason{Why: []string{"no row of " + tableName{r.table.Schemaname, r.table.Relname}.readable() + " breaks it with this migration rolled back, so the rows come from its own statements before this one"}}
	}
	if out.Why != nil && q.fail.FailedIndex > 0 && q.fail.Outcome == RolledBack {
		out.Why = append(out.Why, "counted with this migration rolled back")
	}
	return out
}

func (t tableName) readable() string {
	if t.schema == "" {
		return ident(t.name)
	}
	return ident(t.schema) + "." + ident(t.name)
}

func (q *inquiry) breaking(table string, r rule) Reason {
	read := tableName{r.table.Schemaname, r.table.Relname}.readable()
	n := q.row(fmt.Sprintf("SELECT count(*) FROM (SELECT FROM %s AS t WHERE %s LIMIT %d) x", table, r.where, maxCounted+1))
	if n == nil || n[0] == "0" {
		return Reason{}
	}
	why := fmt.Sprintf("%s of %s %s", atLeast(n[0], "row"), read, r.says)
	if key := q.row(`SELECT string_agg(pg_catalog.quote_ident(a.attname), ', ' ORDER BY k.n), string_agg('t.' || pg_catalog.quote_ident(a.attname), ', ' ORDER BY k.n)
		FROM pg_catalog.pg_index i, unnest(i.indkey::int2[]) WITH ORDINALITY k(attnum, n), pg_catalog.pg_attribute a
		WHERE i.indrelid = to_regclass($1) AND i.indisprimary AND a.attrelid = i.indrelid AND a.attnum = k.attnum`, table); key != nil && key[0] != "" {
		column, value := key[0], "("+key[1]+")::text"
		if strings.Contains(key[0], ", ") {
			column, value = "("+key[0]+")", "ROW("+key[1]+")::text"
		}
		var keys []string
		for _, k := range q.ask(fmt.Sprintf("SELECT left(%s, %d) FROM %s AS t WHERE %s ORDER BY %s LIMIT %d", value, maxKey, table, r.where, key[1], maxKeys)) {
			keys = append(keys, k[0])
		}
		if len(keys) > 0 {
			why += fmt.Sprintf(": %s = %s", column, strings.Join(keys, ", "))
			if n[0] != fmt.Sprint(len(keys)) {
				why += " …"
			}
		}
	}
	if r.where == everyRow {
		return Reason{Why: []string{why}}
	}
	return Reason{Why: []string{why}, See: fmt.Sprintf("SELECT * FROM %s AS t WHERE %s;", read, r.where)}
}

func (q *inquiry) duplicates(table string, r rule) Reason {
	by := strings.Join(r.by, ", ")
	groups := fmt.Sprintf("FROM %s AS t WHERE %s GROUP BY %s HAVING count(*) > 1", table, r.where, by)
	n := q.row(fmt.Sprintf("SELECT count(*) FROM (SELECT %s LIMIT %d) x", groups, maxCounted+1))
	if n == nil || n[0] == "0" {
		return Reason{}
	}
	value := "(" + by + ")::text"
	if len(r.by) > 1 {
		value = "ROW(" + by + ")::text"
	}
	var keys []string
	for _, k := range q.ask(fmt.Sprintf("SELECT left(%s, %d), count(*) %s ORDER BY count(*) DESC, 1 LIMIT %d", value, maxKey, groups, maxKeys)) {
		keys = append(keys, fmt.Sprintf("%s (%s rows)", k[0], k[1]))
	}
	why := fmt.Sprintf("%s has %s of (%s) more than once: %s", tableName{r.table.Schemaname, r.table.Relname}.readable(), atLeast(n[0], "value"), by, strings.Join(keys, ", "))
	if n[0] != fmt.Sprint(len(keys)) {
		why += " …"
	}
	return Reason{Why: []string{why}, See: fmt.Sprintf("SELECT %s, count(*) FROM %s AS t WHERE %s GROUP BY %s HAVING count(*) > 1;", by, tableName{r.table.Schemaname, r.table.Relname}.readable(), r.where, by)}
}

// atLeast is a count that may have been cut off.
func atLeast(n, what string) string {
	switch n {
	case "1":
		return "1 " + what
	case fmt.Sprint(maxCounted + 1):
		return fmt.Sprintf("more than %d %ss", maxCounted, what)
	}
	return n + " " + what + "s"
}

// rule finds out which rule the failed statement has made.
func (q *inquiry) rule() (rule, bool) {
	server, n := q.fail.Server(), q.statement().node
	if ix := n.GetIndexStmt(); ix.GetUnique() {
		return indexRule(ix)
	}
	alter := n.GetAlterTableStmt()
	for _, c := range alter.GetCmds() {
		cmd := c.GetAlterTableCmd()
		r := rule{table: alter.Relation}
		switch cmd.GetSubtype() {
		case pgquery.AlterTableType_AT_SetNotNull:
			if server.Code == pqerror.NotNullViolation && cmd.Name == server.Column {
				r.where, r.says = "t."+ident(cmd.Name)+" IS NULL", "without "+ident(cmd.Name)
				return r, true
			}
		case pgquery.AlterTableType_AT_AddColumn:
			if server.Code == pqerror.NotNullViolation && cmd.GetDef().GetColumnDef().GetColname() == server.Column {
				r.where, r.says = everyRow, "for which the new column has no value"
				return r, true
			}
		case pgquery.AlterTableType_AT_AddConstraint:
			if con := cmd.GetDef().GetConstraint(); con.GetConname() == server.Constraint || len(alter.Cmds) == 1 {
				return q.constraintRule(r, con)
			}
		case pgquery.AlterTableType_AT_ValidateConstraint:
			if con := q.addedBefore(cmd.Name); con != nil && cmd.Name == server.Constraint {
				return q.constraintRule(r, con)
			}
		}
	}
	return rule{}, false
}

// addedBefore is the constraint of that name which an earlier statement of the file has added.
func (q *inquiry) addedBefore(name string) *pgquery.Constraint {
	for _, st := range q.fail.Script.Statements[:max(0, q.fail.FailedIndex)] {
		for _, c := range st.node.GetAlterTableStmt().GetCmds() {
			if con := c.GetAlterTableCmd().GetDef().GetConstraint(); con.GetConname() == name {
				return con
			}
		}
	}
	return nil
}

func (q *inquiry) constraintRule(r rule, con *pgquery.Constraint) (rule, bool) {
	switch con.GetContype() {
	case pgquery.ConstrType_CONSTR_CHECK:
		text, ok := deparse(con.RawExpr)
		r.where, r.says = "NOT ("+text+")", "for which "+text+" is not so"
		return r, ok
	case pgquery.ConstrType_CONSTR_UNIQUE, pgquery.ConstrType_CONSTR_PRIMARY:
		var known []string
		for _, k := range con.Keys {
			column := ident(k.GetString_().GetSval())
			r.by, known = append(r.by, column), append(known, column+" IS NOT NULL")
		}
		r.where = strings.Join(known, " AND ")
		return r, len(known) > 0 && con.Indexname == ""
	case pgquery.ConstrType_CONSTR_FOREIGN:
		return q.foreignRule(r, con)
	}
	return r, false
}

// foreignRule is true for a row whose key is known and not in the other table.
func (q *inquiry) foreignRule(r rule, con *pgquery.Constraint) (rule, bool) {
	other := con.GetPktable()
	var theirs []string
	for _, a := range con.PkAttrs {
		theirs = append(theirs, ident(a.GetString_().GetSval()))
	}
	if len(theirs) == 0 {
		for _, s := range q.ask(`SELECT pg_catalog.quote_ident(a.attname) FROM pg_catalog.pg_index i, unnest(i.indkey::int2[]) WITH ORDINALITY k(attnum, n), pg_catalog.pg_attribute a
			WHERE i.indrelid = to_regclass($1) AND i.indisprimary AND a.attrelid = i.indrelid AND a.attnum = k.attnum ORDER BY k.n`, qualified(other.GetSchemaname(), other.GetRelname())) {
			theirs = append(theirs, s[0])
		}
	}
	if len(theirs) == 0 || len(theirs) != len(con.FkAttrs) {
		return r, false
	}
	var known, same []string
	for i, a := range con.FkAttrs {
		ours := "t." + ident(a.GetString_().GetSval())
		known, same = append(known, ours+" IS NOT NULL"), append(same, "o."+theirs[i]+" = "+ours)
	}
	r.says = "that point to no row of " + tableName{other.GetSchemaname(), other.GetRelname()}.readable()
	r.where = fmt.Sprintf("%s AND NOT EXISTS (SELECT FROM %s AS o WHERE %s)", strings.Join(known, " AND "),
		tableName{other.GetSchemaname(), other.GetRelname()}.readable(), strings.Join(same, " AND "))
	return r, true
}

func indexRule(ix *pgquery.IndexStmt) (rule, bool) {
	r := rule{table: ix.Relation}
	var known []string
	for _, p := range ix.IndexParams {
		e := p.GetIndexElem()
		text := ident(e.GetName())
		if e.GetName() == "" {
			var ok bool
			if text, ok = deparse(e.GetExpr()); !ok {
				return r, false
			}
		}
		r.by, known = append(r.by, text), append(known, "("+text+") IS NOT NULL")
	}
	if ix.NullsNotDistinct {
		known = []string{"true"}
	}
	if ix.WhereClause != nil {
		text, ok := deparse(ix.WhereClause)
		if !ok {
			return r, false
		}
		known = append(known, "("+text+")")
	}
	r.where = strings.Join(known, " AND ")
	return r, len(r.by) > 0
}

// deparse is an expression as SQL.
func deparse(expression *pgquery.Node) (string, bool) {
	const before = "SELECT WHERE "
	tree, err := pgquery.Parse(before + "true")
	if err != nil || expression == nil {
		return "", false
	}
	tree.Stmts[0].Stmt.GetSelectStmt().WhereClause = expression
	text, err := pgquery.Deparse(tree)
	return strings.TrimPrefix(text, before), err == nil && strings.HasPrefix(text, before)
}
