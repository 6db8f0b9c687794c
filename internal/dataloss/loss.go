package dataloss

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/lib/pq"

	"github.com/shiplock/shiplock/internal/lint"
	"github.com/shiplock/shiplock/internal/planner"
	"github.com/shiplock/shiplock/internal/postgres"
	"github.com/shiplock/shiplock/internal/script"
	"github.com/shiplock/shiplock/internal/script/syntax"
	"github.com/shiplock/shiplock/internal/source"
)

// A Loss is data that a down step would delete.
type Loss struct {
	Step int    `json:"-"` // index of the step
	File string `json:"file"`
	Line int    `json:"line"`
	How  string `json:"how"` // "DROP TABLE", "DROP COLUMN", "DELETE" …
	// Table is schema.table, and Column the dropped column if the table is not dropped.
	Table  string `json:"table,omitempty"`
	Column string `json:"column,omitempty"`
	// Rows is the number of rows, or of rows with a value in Column. The count stops at
	// MaxCountedRows and sets AtLeast.
	Rows    int  `json:"rows"`
	AtLeast bool `json:"at_least,omitempty"`
	// Unknown is the reason why they could not be counted.
	Unknown string `json:"unknown,omitempty"`
}

// Limits of the row count.
const (
	MaxCountedRows = 1000
	countTimeout   = 5 * time.Second
	// countBatchSize is the number of tables and columns in one query: each takes a lock and
	// some of the parser's stack.
	countBatchSize = 50
	// totalCountTimeout is the maximum duration of all counts.
	totalCountTimeout = time.Minute
)

func (l Loss) String() string {
	what := "of table " + l.Table
	switch {
	case l.Table == "":
		return fmt.Sprintf("%s (%s:%d): unknown: %s", l.How, l.File, l.Line, l.Unknown)
	case l.Column != "":
		what = fmt.Sprintf("with a value in column %s.%s", l.Table, l.Column)
	}
	place := fmt.Sprintf("%s:%d", l.File, l.Line)
	if l.Line == 0 {
		place = l.File
	}
	rows := fmt.Sprintf("%d rows", l.Rows)
	switch {
	case l.Unknown != "":
		rows = "rows that could not be counted"
		what += " (" + l.Unknown + ")"
	case l.AtLeast:
		rows = "at least " + rows
	case l.Rows == 1:
		rows = "1 row"
	}
	return fmt.Sprintf("%s %s (%s, %s)", rows, what, l.How, place)
}

// Find returns the data that the down steps would delete, as the data is now: the parser
// finds the tables, columns and rows, and a limited count finds whether there are any. It changes
// nothing. A count that reaches a limit is unknown, and not an error. The first applied statements of
// the first step are skipped. own are the objects that each step creates itself.
func (counter *Counter) Find(ctx context.Context, catalog *source.Catalog, steps []planner.Step, applied int) (losses []Loss, own []lint.OwnObjects, err error) {
	if len(planner.InDirection(steps, source.Down)) == 0 {
		return nil, make([]lint.OwnObjects, len(steps)), nil
	}
	if !counter.session.TxOpen {
		return counter.findDataLosses(ctx, catalog, steps, applied)
	}
	// Behind a pooler, the session has an open transaction that holds the lock.
	err = counter.session.WithSecondSession(ctx, func(second *postgres.Session) (err error) {
		other := *counter
		other.session = second
		losses, own, err = other.findDataLosses(ctx, catalog, steps, applied)
		return err
	})
	return losses, own, err
}

func (counter *Counter) findDataLosses(ctx context.Context, catalog *source.Catalog, steps []planner.Step, applied int) ([]Loss, []lint.OwnObjects, error) {
	names, err := counter.readRelations(ctx)
	if server := postgres.ServerError(err); server != nil {
		names, err = lint.NewRelations(), nil
		names.Uncertain = true
		counter.log.Warn("could not read table names", "error", server.Message)
	}
	if err != nil {
		return nil, nil, err
	}
	l, own := lint.NewDestructiveChanges(names), make([]lint.OwnObjects, len(steps))
	var at []int // indexes of the steps
	for i, s := range steps {
		if s.Direction != source.Down {
			continue
		}
		if i > 0 {
			applied = 0
		}
		if err := script.WithFile(s.File(), catalog.Opener(s.File()), func(from io.Reader) error { return l.Read(from, applied) }); err != nil {
			return nil, nil, err
		}
		own[i] = l.Own
		for len(at) < len(l.Changes) {
			at = append(at, i)
		}
	}
	out, err := counter.countAll(ctx, l.Changes)
	for i, loss := range out {
		step := at[loss.Step]
		out[i].Step, out[i].File, out[i].Line = step, steps[step].File(), l.Changes[loss.Step].Line
	}
	return out, own, err
}

// countAll finds the tables and columns of all destructive changes and counts their rows, in
// batches. Step is the index in found. It leaves out tables and columns without data.
func (counter *Counter) countAll(ctx context.Context, found []lint.DestructiveChange) ([]Loss, error) {
	found, err := counter.readFunctionSources(ctx, found)
	if err != nil {
		return nil, err
	}
	var out []Loss
	end := time.Now().Add(totalCountTimeout)
	for batch := range slices.Chunk(indexes(found), countBatchSize) {
		losses, err := counter.countBatch(ctx, found, batch, end)
		if err != nil {
			return nil, err
		}
		out = append(out, losses...)
	}
	return slices.DeleteFunc(out, func(l Loss) bool { return l.Rows == 0 && l.Unknown == "" }), nil
}

func indexes(found []lint.DestructiveChange) []int {
	out := make([]int, len(found))
	for i := range found {
		out[i] = i
	}
	return out
}

// countBatch counts one batch with one query, and each item by itself if that fails: an item that
// cannot be counted must not hide the others.
func (counter *Counter) countBatch(ctx context.Context, found []lint.DestructiveChange, batch []int, end time.Time) ([]Loss, error) {
	targets, err := counter.lossTargets(ctx, found, batch)
	if server := postgres.ServerError(err); server != nil && len(batch) > 1 {
		if err := counter.session.Rollback(ctx, ""); err != nil {
			return nil, err
		}
		var out []Loss
		for i := range batch {
			losses, err := counter.countBatch(ctx, found, batch[i:i+1], end)
			if err != nil {
				return nil, err
			}
			out = append(out, losses...)
		}
		return out, nil
	} else if server != nil {
		t := found[batch[0]]
		return []Loss{{Step: batch[0], How: t.Operation, Table: t.Table, Column: t.Column, Unknown: server.Message}}, counter.session.Rollback(ctx, "")
	}
	if err != nil {
		return nil, err
	}
	err = counter.countRows(ctx, "", found, targets, false)
	if postgres.ServerError(err) == nil {
		return targets, err
	}
	for i := range targets {
		switch {
		case targets[i].Table == "":
		case time.Now().After(end):
			targets[i].Unknown = fmt.Sprintf("not counted: the count took longer than %s in total", totalCountTimeout)
		default:
			if err := counter.countOne(ctx, found, targets[i:i+1]); err != nil {
				return nil, err
			}
		}
	}
	return targets, nil
}

// countOne counts one loss. If its condition cannot be evaluated yet, it checks whether the table
// has any row.
func (counter *Counter) countOne(ctx context.Context, found []lint.DestructiveChange, one []Loss) error {
	loss, t := &one[0], found[one[0].Step]
	count := func(all bool) error { return counter.countRows(ctx, counter.beginReadOnlySQL(), found, one, all) }
	err := count(false)
	server := postgres.ServerError(err)
	if server == nil {
		return err
	}
	if t.Rows != "" || t.NewType != "" {
		if err := count(true); postgres.ServerError(err) == nil && (err != nil || loss.Rows == 0) {
			return err
		}
	}
	loss.Rows, loss.AtLeast, loss.Unknown = 0, false, server.Message
	return nil
}

// beginReadOnlySQL returns the SQL that begins a read-only transaction in which a row security
// policy that hides rows is an error.
func (counter *Counter) beginReadOnlySQL() string {
	limit := countTimeout.Milliseconds()
	begin := "BEGIN READ ONLY;\nSET LOCAL row_security = off;\n"
	if counter.session.Server.VersionNum >= 170000 {
		begin += "SET LOCAL transaction_timeout = 0;\n" // a timeout would end the session
	}
	return begin + fmt.Sprintf("SET LOCAL lock_timeout = %d;\nSET LOCAL statement_timeout = %d;\n", limit, limit)
}

// fullNameSQL is an SQL expression for the qualified name of table c.
const fullNameSQL = `(SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) FROM pg_catalog.pg_namespace n WHERE n.oid = c.relnamespace)`

// holdsDataSQL is an SQL condition: table c has rows that outlive the session.
const holdsDataSQL = `c.relkind IN ('r', 'p') AND c.relpersistence <> 't'`

// dependentsQuery returns a query for the tables, and columns of other tables, that DROP … CASCADE
// of an object drops because they depend on it.
func dependentsQuery(object string, ownRows bool) string {
	own := ""
	if !ownRows {
		own = " AND c.oid <> pg_catalog.to_regclass($1)"
	}
	return `WITH RECURSIVE gone(classid, objid, objsubid) AS (` + object + `
			UNION SELECT d.* FROM gone g, LATERAL (
				SELECT classid, objid, objsubid FROM pg_catalog.pg_depend WHERE refclassid = g.classid AND refobjid = g.objid AND g.objsubid IN (0, refobjsubid)
				UNION ALL SELECT refclassid, refobjid, refobjsubid FROM pg_catalog.pg_depend WHERE classid = g.classid AND objid = g.objid AND deptype = 'i') d),
		dropped AS (SELECT objid FROM gone WHERE classid = 'pg_catalog.pg_class'::regclass AND objsubid = 0)
		SELECT ` + fullNameSQL + ` AS t, '' AS c FROM dropped JOIN pg_catalog.pg_class c ON c.oid = objid
		WHERE ` + holdsDataSQL + own + ` AND NOT EXISTS (SELECT FROM pg_catalog.pg_inherits WHERE inhrelid = c.oid AND inhparent IN (SELECT objid FROM dropped))
			AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend WHERE classid = 'pg_catalog.pg_class'::regclass AND objid = c.oid AND deptype = 'e') AND $2 = ''
		UNION SELECT ` + fullNameSQL + `, pg_catalog.quote_ident(attname) FROM gone JOIN pg_catalog.pg_class c ON c.oid = objid JOIN pg_catalog.pg_attribute a ON attrelid = c.oid AND attnum = objsubid
		WHERE classid = 'pg_catalog.pg_class'::regclass AND objsubid > 0 AND ` + holdsDataSQL + ` AND NOT relispartition AND NOT attisdropped AND attgenerated = '' AND c.oid NOT IN (SELECT objid FROM dropped) ORDER BY 1, 2`
}

// targetQuery has the queries for the tables, or columns, that a name refers to. Objects that do
// not exist or have no data of their own, such as views and generated columns, are left out.
var targetQuery = map[lint.Dependency]string{
	"": `SELECT ` + fullNameSQL + ` AS t, '' AS c FROM pg_catalog.pg_class c WHERE c.oid = pg_catalog.to_regclass($1) AND ` + holdsDataSQL + ` AND $2 = ''
		UNION ALL SELECT ` + fullNameSQL + `, pg_catalog.quote_ident(attname) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_attribute a ON attrelid = c.oid
		WHERE c.oid = pg_catalog.to_regclass($1) AND ` + holdsDataSQL + ` AND attname = $2 AND attnum > 0 AND NOT attisdropped AND attgenerated = ''`,
	lint.InSchema:    dependentsQuery(`SELECT 'pg_catalog.pg_namespace'::regclass::oid, pg_catalog.to_regnamespace($1)::oid, 0`, true),
	lint.OfType:      dependentsQuery(`SELECT 'pg_catalog.pg_type'::regclass::oid, pg_catalog.to_regtype($1)::oid, 0`, true),
	lint.OfCollation: dependentsQuery(`SELECT 'pg_catalog.pg_collation'::regclass::oid, pg_catalog.to_regcollation($1)::oid, 0`, true),
	lint.OfTable:     dependentsQuery(`SELECT 'pg_catalog.pg_class'::regclass::oid, pg_catalog.to_regclass($1)::oid, 0`, false),
	lint.OfExtension: dependentsQuery(`SELECT 'pg_catalog.pg_extension'::regclass::oid, oid, 0 FROM pg_catalog.pg_extension
		WHERE pg_catalog.quote_ident(extname) = pg_catalog.quote_ident(pg_catalog.btrim($1, '"'))`, true),
	// A partitioned table depends on the functions of its key.
	lint.OfFunction: dependentsQuery(`SELECT 'pg_catalog.pg_proc'::regclass::oid, oid, 0 FROM pg_catalog.pg_proc
		WHERE proname = pg_catalog.btrim($1, '"') AND pronamespace <> 'pg_catalog'::regnamespace`, true),
	lint.ColumnsOfType: `SELECT ` + fullNameSQL + ` AS t, pg_catalog.quote_ident(attname) AS c FROM pg_catalog.pg_class c JOIN pg_catalog.pg_attribute a ON attrelid = c.oid
		JOIN pg_catalog.pg_type t ON t.oid = atttypid
		WHERE pg_catalog.to_regtype($1) IN (t.oid, t.typelem, t.typbasetype) AND ` + holdsDataSQL + ` AND NOT relispartition AND attnum > 0 AND NOT attisdropped AND $2 = '' ORDER BY 1, 2`,
	lint.Referring: `WITH RECURSIVE r(oid) AS (SELECT pg_catalog.to_regclass($1)::oid UNION SELECT conrelid FROM r JOIN pg_catalog.pg_constraint k ON confrelid = r.oid AND contype = 'f')
		SELECT ` + fullNameSQL + ` AS t, '' AS c FROM r JOIN pg_catalog.pg_class c USING (oid) WHERE c.oid <> pg_catalog.to_regclass($1) AND ` + holdsDataSQL + ` AND $2 = '' ORDER BY 1`,
}

// lossTargets returns the tables and columns of a batch of changes, by their qualified names. It
// leaves a transaction open.
func (counter *Counter) lossTargets(ctx context.Context, found []lint.DestructiveChange, batch []int) ([]Loss, error) {
	var out []Loss
	var queries []string
	for _, i := range batch {
		t := found[i]
		switch {
		case t.Undetermined != "":
			out = append(out, Loss{Step: i, How: t.Operation, Unknown: t.Undetermined})
			continue
		case t.Function != "":
			continue
		}
		query := fmt.Sprintf("SELECT %d AS i, q.t, q.c FROM (%s) q", i, postgres.InlineParams(targetQuery[t.Expand], t.Table, t.Column))
		if t.Expand != "" && len(t.Except) > 0 {
			query += " WHERE pg_catalog.to_regclass(q.t) NOT IN (" + regclasses(t.Except) + ")"
		}
		queries = append(queries, query)
	}
	if len(queries) == 0 {
		return out, counter.session.Exec(ctx, counter.beginReadOnlySQL())
	}
	rows, err := counter.session.Query(ctx, counter.beginReadOnlySQL()+strings.Join(queries, "\nUNION ALL "))
	if err != nil {
		return nil, counter.session.ClassifyError(ctx, err)
	}
	for rows.Next() {
		var loss Loss
		if err := rows.Scan(&loss.Step, &loss.Table, &loss.Column); err != nil {
			return nil, errors.Join(err, rows.Close())
		}
		loss.How = found[loss.Step].Operation
		out = append(out, loss)
	}
	slices.SortStableFunc(out, func(a, b Loss) int { return a.Step - b.Step })
	return out, counter.session.ClassifyError(ctx, errors.Join(rows.Err(), rows.Close()))
}

// regclasses returns a list of SQL expressions for the tables' OIDs; 0 for a missing table.
func regclasses(names []string) string {
	var out []string
	for _, n := range names {
		out = append(out, "coalesce(pg_catalog.to_regclass("+pq.QuoteLiteral(n)+")::oid, 0)")
	}
	return strings.Join(out, ", ")
}

// rowsQuery returns the query for the rows of a loss; if all is set, without its condition.
func rowsQuery(t lint.DestructiveChange, l Loss, all bool) string {
	from := "SELECT FROM " + l.Table
	switch {
	case t.Rows != "" && !all:
		return t.Rows
	case l.Column != "":
		from += " WHERE " + l.Column + " IS NOT NULL"
		if t.NewType != "" && !all {
			from += fmt.Sprintf(" AND %s IS DISTINCT FROM CAST(%[1]s AS %s)", l.Column, t.NewType)
		}
	case t.Expand == "" && len(t.Except) > 0:
		from += " WHERE tableoid NOT IN (WITH RECURSIVE apart(oid) AS (SELECT o FROM pg_catalog.unnest(ARRAY[" + regclasses(t.Except) +
			"]::oid[]) o UNION SELECT inhrelid FROM apart JOIN pg_catalog.pg_inherits ON inhparent = apart.oid) SELECT oid FROM apart)"
	}
	return from
}

// countRows sets the number of rows of the losses, and ends the transaction. begin is SQL before
// it.
func (counter *Counter) countRows(ctx context.Context, begin string, found []lint.DestructiveChange, losses []Loss, all bool) error {
	var queries []string
	for i, l := range losses {
		if l.Table != "" {
			queries = append(queries, fmt.Sprintf("SELECT %d, count(*) FROM (%s LIMIT %d) AS counted", i, rowsQuery(found[l.Step], l, all), MaxCountedRows+1))
		}
	}
	if len(queries) == 0 {
		return counter.session.Rollback(ctx, "")
	}
	rows, err := counter.session.Query(ctx, begin+strings.Join(queries, "\nUNION ALL ")+";\nROLLBACK")
	if err == nil {
		err = readCounts(rows, found, losses)
	}
	if err != nil {
		err = counter.session.ClassifyError(ctx, err)
		if postgres.ServerError(err) != nil {
			err = errors.Join(err, counter.session.Rollback(ctx, ""))
		}
	}
	return err
}

func readCounts(rows *sql.Rows, found []lint.DestructiveChange, losses []Loss) error {
	for rows.Next() {
		var i, n int
		if err := rows.Scan(&i, &n); err != nil {
			return errors.Join(err, rows.Close())
		}
		losses[i].Rows, losses[i].AtLeast = min(n, MaxCountedRows), n > MaxCountedRows
		if doubt := found[losses[i].Step].UnknownRows; n > 0 && doubt != "" {
			losses[i].Unknown = doubt
		}
	}
	return errors.Join(rows.Err(), rows.Close())
}

// readFunctionSources replaces function calls by the data that the functions delete, according to
// their source and the source of the functions named in it.
func (counter *Counter) readFunctionSources(ctx context.Context, found []lint.DestructiveChange) ([]lint.DestructiveChange, error) {
	var names []string
	for _, t := range found {
		if t.Function != "" {
			names = append(names, pq.QuoteLiteral(t.Function))
		}
	}
	if len(names) == 0 {
		return found, nil
	}
	slices.Sort(names)
	source := "prosrc"
	if counter.session.Server.VersionNum >= 140000 {
		source = "coalesce(pg_catalog.pg_get_function_sqlbody(p.oid), p.prosrc)"
	}
	const notBuiltIn = "p.pronamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)"
	rows, err := counter.session.Query(ctx, `SELECT first, src FROM (WITH RECURSIVE f(oid, first, src) AS (
			SELECT p.oid, p.proname::text, `+source+` FROM pg_catalog.pg_proc p WHERE `+notBuiltIn+` AND p.proname IN (`+strings.Join(slices.Compact(names), ", ")+`)
			UNION SELECT p.oid, f.first, `+source+` FROM f JOIN pg_catalog.pg_proc p ON `+notBuiltIn+` AND pg_catalog.strpos(f.src, p.proname) > 0)
		SELECT first, src FROM f) f`)
	deletesData := map[string]string{}
	if err == nil {
		for rows.Next() && err == nil {
			var name, src string
			if err = rows.Scan(&name, &src); err == nil && lint.BodyIsDestructive(src) {
				deletesData[name] = "function " + name + " deletes rows or drops objects, which are known only at run time"
			}
		}
		err = errors.Join(err, rows.Err(), rows.Close())
	}
	server := postgres.ServerError(err)
	if err != nil && server == nil {
		return nil, counter.session.ClassifyError(ctx, err)
	}
	out := slices.Clone(found)
	for i, t := range found {
		switch {
		case t.Function == "":
		case server != nil:
			out[i].Undetermined = "the source of function " + t.Function + " cannot be read: " + server.Message
		case deletesData[t.Function] != "":
			out[i].Undetermined = deletesData[t.Function]
		default:
			// Its source does not delete data; lossTargets skips it.
		}
	}
	return out, nil
}

// readRelations reads the names of all relations.
func (counter *Counter) readRelations(ctx context.Context) (*lint.Relations, error) {
	rows, err := counter.session.Query(ctx, lint.RelationsQuery)
	if err != nil {
		return nil, counter.session.ClassifyError(ctx, err)
	}
	out := lint.NewRelations()
	out.NoDatabase = false
	for rows.Next() {
		var what, a, b, kind string
		if err := rows.Scan(&what, &a, &b, &kind); err != nil {
			return nil, errors.Join(err, rows.Close())
		}
		switch what {
		case "path":
			out.SearchPath, out.InitialPath = lint.SplitNames(a), lint.SplitNames(a)
		case "user":
			out.User = a
		case "schema":
			out.CurrentSchemas[a] = a
		default:
			r := &lint.Relation{CurrentName: syntax.QuoteQualified(a, b), Kind: kind}
			out.All = append(out.All, r)
			out.Put(a, b, r)
		}
	}
	return out, counter.session.ClassifyError(ctx, errors.Join(rows.Err(), rows.Close()))
}
