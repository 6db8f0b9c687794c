package postgres

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
)

// DataLoss is data that a step down would take away.
type DataLoss struct {
	Step int    `json:"-"` // index of it
	File string `json:"file"`
	Line int    `json:"line"`
	How  string `json:"how"` // "DROP TABLE", "DROP COLUMN", "DELETE" …
	// Table is schema.table, and Column one of it that goes alone.
	Table  string `json:"table,omitempty"`
	Column string `json:"column,omitempty"`
	// Rows is how many go, or how many hold a value in Column; the count ends with
	// maxCountedRows, and then AtLeast is set.
	Rows    int  `json:"rows"`
	AtLeast bool `json:"at_least,omitempty"`
	// Unknown is why they could not be counted.
	Unknown string `json:"unknown,omitempty"`
}

// What bounds the count of what a down would take.
const (
	maxCountedRows = 1000
	countTimeout   = 5 * time.Second
	// countBatchSize is how many tables and columns are counted by one query: each takes
	// a lock and some of the parser's stack.
	countBatchSize = 50
	// totalCountTimeout is after how long no more are counted.
	totalCountTimeout = time.Minute
)

func (l DataLoss) String() string {
	what := "of table " + l.Table
	switch {
	case l.Table == "":
		return fmt.Sprintf("%s (%s:%d): not known: %s", l.How, l.File, l.Line, l.Unknown)
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

// DataLosses says what steps down would take away, as the data is now: by the parser
// which tables, columns and rows, and by a bounded count whether there are any. It
// changes nothing, and uses a session of its own. What meets a limit is not known,
// and no error. It fills in Step.Own.
func (db *DB) DataLosses(ctx context.Context, steps []Step) ([]DataLoss, error) {
	if !slices.ContainsFunc(steps, func(s Step) bool { return s.Direction == "down" }) {
		return nil, nil
	}
	var out []DataLoss
	find := func(db *DB) (err error) {
		out, err = db.findDataLosses(ctx, steps)
		return err
	}
	use := find
	if db.lockTxOpen { // behind a pooler, in the transaction that holds the lock
		use = func(db *DB) error { return db.withSecondSession(ctx, find) }
	}
	err := use(db)
	return out, err
}

func (db *DB) findDataLosses(ctx context.Context, steps []Step) ([]DataLoss, error) {
	names, err := db.relations(ctx)
	if server := serverError(err); server != nil {
		names, err = newRelations(), nil
		names.uncertain = true
		db.log.Warn("the names of tables could not be read", "error", server.Message)
	}
	if err != nil {
		return nil, err
	}
	l := newDestructiveChanges(names)
	var at []int // indexes of the steps
	for i, s := range steps {
		if s.Direction != "down" {
			continue
		}
		if err := reading(s.File, s.Open, func(from io.Reader) error { return l.read(from, s.StatementsApplied) }); err != nil {
			return nil, err
		}
		steps[i].Own = l.own
		for len(at) < len(l.changes) {
			at = append(at, i)
		}
	}
	out, err := db.countAll(ctx, l.changes)
	for i, loss := range out {
		step := at[loss.Step]
		out[i].Step, out[i].File, out[i].Line = step, steps[step].File, l.changes[loss.Step].line
	}
	return out, err
}

// countAll finds what takes stand for and counts it, in portions. Step is the index
// in found. What holds nothing is left out.
func (db *DB) countAll(ctx context.Context, found []destructiveChange) ([]DataLoss, error) {
	found, err := db.readFunctionSources(ctx, found)
	if err != nil {
		return nil, err
	}
	var out []DataLoss
	end := time.Now().Add(totalCountTimeout)
	for portion := range slices.Chunk(indexes(found), countBatchSize) {
		losses, err := db.countBatch(ctx, found, portion, end)
		if err != nil {
			return nil, err
		}
		out = append(out, losses...)
	}
	return slices.DeleteFunc(out, func(l DataLoss) bool { return l.Rows == 0 && l.Unknown == "" }), nil
}

func indexes(found []destructiveChange) []int {
	out := make([]int, len(found))
	for i := range found {
		out[i] = i
	}
	return out
}

// countBatch counts one portion by one query, and where that fails each by itself: one
// that cannot be counted must not hide the others.
func (db *DB) countBatch(ctx context.Context, found []destructiveChange, portion []int, end time.Time) ([]DataLoss, error) {
	targets, err := db.lossTargets(ctx, found, portion)
	if server := serverError(err); server != nil && len(portion) > 1 {
		if err := db.rollback(ctx, ""); err != nil {
			return nil, err
		}
		var out []DataLoss
		for i := range portion {
			losses, err := db.countBatch(ctx, found, portion[i:i+1], end)
			if err != nil {
				return nil, err
			}
			out = append(out, losses...)
		}
		return out, nil
	} else if server != nil {
		t := found[portion[0]]
		return []DataLoss{{Step: portion[0], How: t.operation, Table: t.table, Column: t.column, Unknown: server.Message}}, db.rollback(ctx, "")
	}
	if err != nil {
		return nil, err
	}
	err = db.countRows(ctx, "", found, targets, false)
	if serverError(err) == nil {
		return targets, err
	}
	for i := range targets {
		switch {
		case targets[i].Table == "":
		case time.Now().After(end):
			targets[i].Unknown = fmt.Sprintf("not counted, as the count of all has taken longer than %s", totalCountTimeout)
		default:
			if err := db.countOne(ctx, found, targets[i:i+1]); err != nil {
				return nil, err
			}
		}
	}
	return targets, nil
}

// countOne counts a loss by itself. Of rows whose condition cannot be asked yet it
// asks whether there is any row at all.
func (db *DB) countOne(ctx context.Context, found []destructiveChange, one []DataLoss) error {
	loss, t := &one[0], found[one[0].Step]
	count := func(all bool) error { return db.countRows(ctx, db.beginReadOnlySQL(), found, one, all) }
	err := count(false)
	server := serverError(err)
	if server == nil {
		return err
	}
	if t.rows != "" || t.newType != "" {
		if err := count(true); serverError(err) == nil && (err != nil || loss.Rows == 0) {
			return err
		}
	}
	loss.Rows, loss.AtLeast, loss.Unknown = 0, false, server.Message
	return nil
}

// serverError is what the server said, or nil where it was something else.
func serverError(err error) *pq.Error {
	var server *pq.Error
	var lost *LostError
	if errors.As(err, &lost) || !errors.As(err, &server) {
		return nil
	}
	return server
}

// beginReadOnlySQL begins a transaction that changes nothing, and in which a policy that
// hides rows is an error.
func (db *DB) beginReadOnlySQL() string {
	limit := countTimeout.Milliseconds()
	begin := "BEGIN READ ONLY;\nSET LOCAL row_security = off;\n"
	if db.Server.versionNum >= 170000 {
		begin += "SET LOCAL transaction_timeout = 0;\n" // it would end the session
	}
	return begin + fmt.Sprintf("SET LOCAL lock_timeout = %d;\nSET LOCAL statement_timeout = %d;\n", limit, limit)
}

// fullNameSQL is that of table c.
const fullNameSQL = `(SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) FROM pg_catalog.pg_namespace n WHERE n.oid = c.relnamespace)`

// holdsDataSQL reports whether c holds rows that outlive the session.
const holdsDataSQL = `c.relkind IN ('r', 'p') AND c.relpersistence <> 't'`

// dependentsQuery finds the tables, and columns of other tables, that are dropped with an
// object: as DROP … CASCADE does, by what depends on it.
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

// targetQuery finds the tables, or columns, that a name stands for. What does not
// exist is none, nor is what holds no data of its own: a view, a generated column.
var targetQuery = map[dependency]string{
	"": `SELECT ` + fullNameSQL + ` AS t, '' AS c FROM pg_catalog.pg_class c WHERE c.oid = pg_catalog.to_regclass($1) AND ` + holdsDataSQL + ` AND $2 = ''
		UNION ALL SELECT ` + fullNameSQL + `, pg_catalog.quote_ident(attname) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_attribute a ON attrelid = c.oid
		WHERE c.oid = pg_catalog.to_regclass($1) AND ` + holdsDataSQL + ` AND attname = $2 AND attnum > 0 AND NOT attisdropped AND attgenerated = ''`,
	inSchema:    dependentsQuery(`SELECT 'pg_catalog.pg_namespace'::regclass::oid, pg_catalog.to_regnamespace($1)::oid, 0`, true),
	ofType:      dependentsQuery(`SELECT 'pg_catalog.pg_type'::regclass::oid, pg_catalog.to_regtype($1)::oid, 0`, true),
	ofCollation: dependentsQuery(`SELECT 'pg_catalog.pg_collation'::regclass::oid, pg_catalog.to_regcollation($1)::oid, 0`, true),
	ofTable:     dependentsQuery(`SELECT 'pg_catalog.pg_class'::regclass::oid, pg_catalog.to_regclass($1)::oid, 0`, false),
	ofExtension: dependentsQuery(`SELECT 'pg_catalog.pg_extension'::regclass::oid, oid, 0 FROM pg_catalog.pg_extension
		WHERE pg_catalog.quote_ident(extname) = pg_catalog.quote_ident(pg_catalog.btrim($1, '"'))`, true),
	// A partitioned table depends on the functions of its key.
	ofFunction: dependentsQuery(`SELECT 'pg_catalog.pg_proc'::regclass::oid, oid, 0 FROM pg_catalog.pg_proc
		WHERE proname = pg_catalog.btrim($1, '"') AND pronamespace <> 'pg_catalog'::regnamespace`, true),
	columnsOfType: `SELECT ` + fullNameSQL + ` AS t, pg_catalog.quote_ident(attname) AS c FROM pg_catalog.pg_class c JOIN pg_catalog.pg_attribute a ON attrelid = c.oid
		JOIN pg_catalog.pg_type t ON t.oid = atttypid
		WHERE pg_catalog.to_regtype($1) IN (t.oid, t.typelem, t.typbasetype) AND ` + holdsDataSQL + ` AND NOT relispartition AND attnum > 0 AND NOT attisdropped AND $2 = '' ORDER BY 1, 2`,
	referring: `WITH RECURSIVE r(oid) AS (SELECT pg_catalog.to_regclass($1)::oid UNION SELECT conrelid FROM r JOIN pg_catalog.pg_constraint k ON confrelid = r.oid AND contype = 'f')
		SELECT ` + fullNameSQL + ` AS t, '' AS c FROM r JOIN pg_catalog.pg_class c USING (oid) WHERE c.oid <> pg_catalog.to_regclass($1) AND ` + holdsDataSQL + ` AND $2 = '' ORDER BY 1`,
}

// lossTargets are the tables and columns of some takes, by their full names. It leaves
// a transaction open.
func (db *DB) lossTargets(ctx context.Context, found []destructiveChange, portion []int) ([]DataLoss, error) {
	var out []DataLoss
	var queries []string
	for _, i := range portion {
		t := found[i]
		switch {
		case t.undetermined != "":
			out = append(out, DataLoss{Step: i, How: t.operation, Unknown: t.undetermined})
			continue
		case t.function != "":
			continue
		}
		query := fmt.Sprintf("SELECT %d AS i, q.t, q.c FROM (%s) q", i, inlineParams(targetQuery[t.expand], t.table, t.column))
		if t.expand != "" && len(t.except) > 0 {
			query += " WHERE pg_catalog.to_regclass(q.t) NOT IN (" + regclasses(t.except) + ")"
		}
		queries = append(queries, query)
	}
	if len(queries) == 0 {
		return out, db.exec(ctx, db.beginReadOnlySQL())
	}
	rows, err := db.query(ctx, db.beginReadOnlySQL()+strings.Join(queries, "\nUNION ALL "))
	if err != nil {
		return nil, db.classifyError(ctx, err)
	}
	for rows.Next() {
		var loss DataLoss
		if err := rows.Scan(&loss.Step, &loss.Table, &loss.Column); err != nil {
			return nil, errors.Join(err, rows.Close())
		}
		loss.How = found[loss.Step].operation
		out = append(out, loss)
	}
	slices.SortStableFunc(out, func(a, b DataLoss) int { return a.Step - b.Step })
	return out, db.classifyError(ctx, errors.Join(rows.Err(), rows.Close()))
}

func regclasses(names []string) string {
	var out []string
	for _, n := range names {
		out = append(out, "coalesce(pg_catalog.to_regclass("+pq.QuoteLiteral(n)+")::oid, 0)")
	}
	return strings.Join(out, ", ")
}

// rowsQuery is the query of the rows that a loss is about; with all it does not look
// at a condition.
func rowsQuery(t destructiveChange, l DataLoss, all bool) string {
	from := "SELECT FROM " + l.Table
	switch {
	case t.rows != "" && !all:
		return t.rows
	case l.Column != "":
		from += " WHERE " + l.Column + " IS NOT NULL"
		if t.newType != "" && !all {
			from += fmt.Sprintf(" AND %s IS DISTINCT FROM CAST(%[1]s AS %s)", l.Column, t.newType)
		}
	case t.expand == "" && len(t.except) > 0:
		from += " WHERE tableoid NOT IN (WITH RECURSIVE apart(oid) AS (SELECT o FROM pg_catalog.unnest(ARRAY[" + regclasses(t.except) +
			"]::oid[]) o UNION SELECT inhrelid FROM apart JOIN pg_catalog.pg_inherits ON inhparent = apart.oid) SELECT oid FROM apart)"
	}
	return from
}

// countRows fills in how many rows the losses are about, and ends the transaction.
// begin is SQL before it.
func (db *DB) countRows(ctx context.Context, begin string, found []destructiveChange, losses []DataLoss, all bool) error {
	var queries []string
	for i, l := range losses {
		if l.Table != "" {
			queries = append(queries, fmt.Sprintf("SELECT %d, count(*) FROM (%s LIMIT %d) AS counted", i, rowsQuery(found[l.Step], l, all), maxCountedRows+1))
		}
	}
	if len(queries) == 0 {
		return db.rollback(ctx, "")
	}
	rows, err := db.query(ctx, begin+strings.Join(queries, "\nUNION ALL ")+";\nROLLBACK")
	if err == nil {
		err = readCounts(rows, found, losses)
	}
	if err != nil {
		err = db.classifyError(ctx, err)
		if serverError(err) != nil {
			err = errors.Join(err, db.rollback(ctx, ""))
		}
	}
	return err
}

func readCounts(rows *sql.Rows, found []destructiveChange, losses []DataLoss) error {
	for rows.Next() {
		var i, n int
		if err := rows.Scan(&i, &n); err != nil {
			return errors.Join(err, rows.Close())
		}
		losses[i].Rows, losses[i].AtLeast = min(n, maxCountedRows), n > maxCountedRows
		if doubt := found[losses[i].Step].unknownRows; n > 0 && doubt != "" {
			losses[i].Unknown = doubt
		}
	}
	return errors.Join(rows.Err(), rows.Close())
}

// readFunctionSources replaces the functions that statements call by what their source says,
// and that of the functions named in it.
func (db *DB) readFunctionSources(ctx context.Context, found []destructiveChange) ([]destructiveChange, error) {
	var names []string
	for _, t := range found {
		if t.function != "" {
			names = append(names, pq.QuoteLiteral(t.function))
		}
	}
	if len(names) == 0 {
		return found, nil
	}
	slices.Sort(names)
	source := "prosrc"
	if db.Server.versionNum >= 140000 {
		source = "coalesce(pg_catalog.pg_get_function_sqlbody(p.oid), p.prosrc)"
	}
	const ours = "p.pronamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)"
	rows, err := db.query(ctx, `SELECT first, src FROM (WITH RECURSIVE f(oid, first, src) AS (
			SELECT p.oid, p.proname::text, `+source+` FROM pg_catalog.pg_proc p WHERE `+ours+` AND p.proname IN (`+strings.Join(slices.Compact(names), ", ")+`)
			UNION SELECT p.oid, f.first, `+source+` FROM f JOIN pg_catalog.pg_proc p ON `+ours+` AND pg_catalog.strpos(f.src, p.proname) > 0)
		SELECT first, src FROM f) f`)
	takesAway := map[string]string{}
	if err == nil {
		for rows.Next() && err == nil {
			var name, src string
			if err = rows.Scan(&name, &src); err == nil && bodyIsDestructive(src) {
				takesAway[name] = "function " + name + " deletes or drops; what, is known when it runs"
			}
		}
		err = errors.Join(err, rows.Err(), rows.Close())
	}
	server := serverError(err)
	if err != nil && server == nil {
		return nil, db.classifyError(ctx, err)
	}
	out := slices.Clone(found)
	for i, t := range found {
		switch {
		case t.function == "":
		case server != nil:
			out[i].undetermined = "the source of function " + t.function + " cannot be read: " + server.Message
		case takesAway[t.function] != "":
			out[i].undetermined = takesAway[t.function]
		default:
			// It takes nothing away that its source tells; targets passes over it.
		}
	}
	return out, nil
}
