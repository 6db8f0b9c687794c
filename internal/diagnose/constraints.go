package diagnose

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/lib/pq/pqerror"
	pgquery "github.com/pganalyze/pg_query_go/v6"

	"github.com/shiplock/shiplock/internal/history"
	"github.com/shiplock/shiplock/internal/migrationerror"
	"github.com/shiplock/shiplock/internal/script/syntax"
	"github.com/shiplock/shiplock/internal/text"
)

// Limits of what is reported about rows.
const (
	maxDiagnosedRows = 10_000
	maxKeys          = 5
	maxKeyLength     = 60 // characters
)

// everyRow is the condition of a violation that affects every row.
const everyRow = "true"

// A violation describes the rows of a table that violate a constraint.
type violation struct {
	table *pgquery.RangeVar
	// where is true for a row that violates the constraint. For a unique constraint, it is true for
	// every row that the constraint covers, and keys are its expressions.
	where       string
	keys        []string
	description string // completes "N rows in t "
}

// constraintReason counts the rows that violate a new constraint and lists some of them by
// primary key.
func (d *diagnosis) constraintReason() migrationerror.Reason {
	r, found := d.findViolation()
	if !found {
		return migrationerror.Reason{}
	}
	table := syntax.QuoteQualified(r.table.Schemaname, r.table.Relname)
	hides := d.queryRow("SELECT pg_catalog.row_security_active(to_regclass($1))::text, current_user::text", table)
	var out migrationerror.Reason
	if len(r.keys) > 0 {
		out = d.duplicateKeys(table, r)
	} else {
		out = d.violatingRows(table, r)
	}
	if d.err != nil {
		return migrationerror.Reason{} // for example, a column that the migration itself adds
	}
	if hides != nil && hides[0] == "true" { // constraints and indexes apply to every row
		readable := displayName(r.table)
		if out.Causes == nil {
			return migrationerror.Reason{Causes: []string{fmt.Sprintf("no row in %s that is visible to role %s violates the constraint; row security hides other rows: query them as a superuser or a role with BYPASSRLS", readable, syntax.QuoteIfNeeded(hides[1]))}}
		}
		out.Causes = append(out.Causes, fmt.Sprintf("row security on %s hides rows from role %s, which are not counted: query them as a superuser or a role with BYPASSRLS", readable, syntax.QuoteIfNeeded(hides[1])))
	}
	if out.Causes == nil && d.fail.FailedIndex > 0 && d.fail.Outcome == migrationerror.RolledBack {
		return migrationerror.Reason{Causes: []string{"no row in " + displayName(r.table) + " violates the constraint after the rollback; the rows were written by earlier statements of this migration"}}
	}
	if out.Causes != nil && d.fail.FailedIndex > 0 && d.fail.Outcome == migrationerror.RolledBack {
		out.Causes = append(out.Causes, "counted after the rollback")
	}
	return out
}

func (d *diagnosis) violatingRows(table string, r violation) migrationerror.Reason {
	read := displayName(r.table)
	n := d.queryRow(fmt.Sprintf("SELECT count(*) FROM (SELECT FROM %s AS t WHERE %s LIMIT %d) x", table, r.where, maxDiagnosedRows+1))
	if n == nil || n[0] == "0" {
		return migrationerror.Reason{}
	}
	phrase := r.description
	if n[0] == "1" {
		phrase = strings.Replace(phrase, "violate ", "violates ", 1)
	}
	why := fmt.Sprintf("%s in %s %s", countLabel(n[0], "row"), read, phrase)
	if key := d.queryRow(`SELECT string_agg(pg_catalog.quote_ident(a.attname), ', ' ORDER BY k.n), string_agg('t.' || pg_catalog.quote_ident(a.attname), ', ' ORDER BY k.n)
		FROM pg_catalog.pg_index i, unnest(i.indkey::int2[]) WITH ORDINALITY k(attnum, n), pg_catalog.pg_attribute a
		WHERE i.indrelid = to_regclass($1) AND i.indisprimary AND a.attrelid = i.indrelid AND a.attnum = k.attnum`, table); key != nil && key[0] != "" {
		column, value := key[0], "("+key[1]+")::text"
		if strings.Contains(key[0], ", ") {
			column, value = "("+key[0]+")", "ROW("+key[1]+")::text"
		}
		var keys []string
		for _, k := range d.query(fmt.Sprintf("SELECT left(%s, %d) FROM %s AS t WHERE %s ORDER BY %s LIMIT %d", value, maxKeyLength, table, r.where, key[1], maxKeys)) {
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
		return migrationerror.Reason{Cause: migrationerror.NewColumnNotNull, Causes: []string{why}}
	}
	return migrationerror.Reason{Causes: []string{why}, Query: fmt.Sprintf("SELECT * FROM %s AS t WHERE %s;", read, r.where)}
}

func (d *diagnosis) duplicateKeys(table string, r violation) migrationerror.Reason {
	by := strings.Join(r.keys, ", ")
	groups := fmt.Sprintf("FROM %s AS t WHERE %s GROUP BY %s HAVING count(*) > 1", table, r.where, by)
	n := d.queryRow(fmt.Sprintf("SELECT count(*) FROM (SELECT %s LIMIT %d) x", groups, maxDiagnosedRows+1))
	if n == nil || n[0] == "0" {
		return migrationerror.Reason{}
	}
	value := "(" + by + ")::text"
	if len(r.keys) > 1 {
		value = "ROW(" + by + ")::text"
	}
	var keys []string
	for _, k := range d.query(fmt.Sprintf("SELECT left(%s, %d), count(*) %s ORDER BY count(*) DESC, 1 LIMIT %d", value, maxKeyLength, groups, maxKeys)) {
		keys = append(keys, fmt.Sprintf("%s (%s rows)", k[0], k[1]))
	}
	why := fmt.Sprintf("%s contains %s of (%s): %s", displayName(r.table), countLabel(n[0], "duplicate value"), by, strings.Join(keys, ", "))
	if n[0] != fmt.Sprint(len(keys)) {
		why += " …"
	}
	return migrationerror.Reason{Causes: []string{why}, Query: fmt.Sprintf("SELECT %s, count(*) FROM %s AS t WHERE %s GROUP BY %s HAVING count(*) > 1;", by, displayName(r.table), r.where, by)}
}

// countLabel formats a count that may have reached its limit.
func countLabel(n, what string) string {
	count, _ := strconv.Atoi(n)
	if count > maxDiagnosedRows {
		return "more than " + text.Plural(maxDiagnosedRows, what)
	}
	return text.Plural(count, what)
}

// findViolation determines which constraint the failed statement adds.
func (d *diagnosis) findViolation() (violation, bool) {
	server, n := d.fail.Server(), d.failedStatement().Node
	if ix := n.GetIndexStmt(); ix.GetUnique() {
		return uniqueIndexViolation(ix)
	}
	alter := n.GetAlterTableStmt()
	for _, c := range alter.GetCmds() {
		cmd := c.GetAlterTableCmd()
		r := violation{table: alter.Relation}
		switch cmd.GetSubtype() {
		case pgquery.AlterTableType_AT_SetNotNull:
			if server.Code == pqerror.NotNullViolation && cmd.Name == server.Column {
				r.where, r.description = "t."+syntax.QuoteIfNeeded(cmd.Name)+" IS NULL", "violate NOT NULL on "+syntax.QuoteIfNeeded(cmd.Name)
				return r, true
			}
		case pgquery.AlterTableType_AT_AddColumn:
			if server.Code == pqerror.NotNullViolation && cmd.GetDef().GetColumnDef().GetColname() == server.Column {
				r.where, r.description = everyRow, "violate NOT NULL because the new column has no value"
				return r, true
			}
		case pgquery.AlterTableType_AT_AddConstraint:
			if con := cmd.GetDef().GetConstraint(); con.GetConname() == server.Constraint || len(alter.Cmds) == 1 {
				return d.constraintViolation(r, con)
			}
		case pgquery.AlterTableType_AT_ValidateConstraint:
			if con := d.constraintInFile(cmd.Name); con != nil && cmd.Name == server.Constraint {
				return d.constraintViolation(r, con)
			}
		}
	}
	return violation{}, false
}

// constraintInFile returns the constraint that an earlier statement of the file adds.
func (d *diagnosis) constraintInFile(name string) *pgquery.Constraint {
	for _, st := range d.fail.Script.Statements[:max(0, d.fail.FailedIndex)] {
		for _, c := range st.Node.GetAlterTableStmt().GetCmds() {
			if con := c.GetAlterTableCmd().GetDef().GetConstraint(); con.GetConname() == name {
				return con
			}
		}
	}
	return nil
}

func (d *diagnosis) constraintViolation(r violation, con *pgquery.Constraint) (violation, bool) {
	switch con.GetContype() {
	case pgquery.ConstrType_CONSTR_CHECK:
		text, ok := expressionSQL(con.RawExpr)
		r.where, r.description = "NOT ("+text+")", "violate CHECK ("+text+")"
		return r, ok
	case pgquery.ConstrType_CONSTR_UNIQUE, pgquery.ConstrType_CONSTR_PRIMARY:
		var known []string
		for _, k := range con.Keys {
			column := syntax.QuoteIfNeeded(k.GetString_().GetSval())
			r.keys, known = append(r.keys, column), append(known, column+" IS NOT NULL")
		}
		r.where = strings.Join(known, " AND ")
		return r, len(known) > 0 && con.Indexname == ""
	case pgquery.ConstrType_CONSTR_FOREIGN:
		return d.foreignKeyViolation(r, con)
	}
	return r, false
}

// foreignKeyViolation selects rows whose key is not NULL and not in the referenced table.
func (d *diagnosis) foreignKeyViolation(r violation, con *pgquery.Constraint) (violation, bool) {
	other := con.GetPktable()
	var referenced []string
	for _, a := range con.PkAttrs {
		referenced = append(referenced, syntax.QuoteIfNeeded(a.GetString_().GetSval()))
	}
	if len(referenced) == 0 {
		for _, s := range d.query(`SELECT pg_catalog.quote_ident(a.attname) FROM pg_catalog.pg_index i, unnest(i.indkey::int2[]) WITH ORDINALITY k(attnum, n), pg_catalog.pg_attribute a
			WHERE i.indrelid = to_regclass($1) AND i.indisprimary AND a.attrelid = i.indrelid AND a.attnum = k.attnum ORDER BY k.n`, syntax.QuoteQualified(other.GetSchemaname(), other.GetRelname())) {
			referenced = append(referenced, s[0])
		}
	}
	if len(referenced) == 0 || len(referenced) != len(con.FkAttrs) {
		return r, false
	}
	var known, same []string
	for i, a := range con.FkAttrs {
		column := "t." + syntax.QuoteIfNeeded(a.GetString_().GetSval())
		known, same = append(known, column+" IS NOT NULL"), append(same, "o."+referenced[i]+" = "+column)
	}
	r.description = "violate the foreign key to " + displayName(other)
	r.where = fmt.Sprintf("%s AND NOT EXISTS (SELECT FROM %s AS o WHERE %s)", strings.Join(known, " AND "),
		displayName(other), strings.Join(same, " AND "))
	return r, true
}

func uniqueIndexViolation(ix *pgquery.IndexStmt) (violation, bool) {
	r := violation{table: ix.Relation}
	var known []string
	for _, p := range ix.IndexParams {
		e := p.GetIndexElem()
		text := syntax.QuoteIfNeeded(e.GetName())
		if e.GetName() == "" {
			var ok bool
			if text, ok = expressionSQL(e.GetExpr()); !ok {
				return r, false
			}
		}
		r.keys, known = append(r.keys, text), append(known, "("+text+") IS NOT NULL")
	}
	if ix.NullsNotDistinct {
		known = []string{"true"}
	}
	if ix.WhereClause != nil {
		text, ok := expressionSQL(ix.WhereClause)
		if !ok {
			return r, false
		}
		known = append(known, "("+text+")")
	}
	r.where = strings.Join(known, " AND ")
	return r, len(r.keys) > 0
}

// expressionSQL returns an expression as SQL.
func expressionSQL(expression *pgquery.Node) (string, bool) {
	const before = "SELECT WHERE "
	tree, err := pgquery.Parse(before + "true")
	if err != nil || expression == nil {
		return "", false
	}
	tree.Stmts[0].Stmt.GetSelectStmt().WhereClause = expression
	text, err := pgquery.Deparse(tree)
	return strings.TrimPrefix(text, before), err == nil && strings.HasPrefix(text, before)
}

// displayName returns the name of a table for messages, quoted where PostgreSQL requires it.
func displayName(r *pgquery.RangeVar) string {
	return history.TableName{Schema: r.GetSchemaname(), Name: r.GetRelname()}.DisplayName()
}
