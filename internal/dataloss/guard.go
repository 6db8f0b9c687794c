package dataloss

import (
	"fmt"
	"strings"

	"github.com/lib/pq"
	pgquery "github.com/pganalyze/pg_query_go/v6"

	"github.com/shiplock/shiplock/internal/lint"
	"github.com/shiplock/shiplock/internal/postgres"
	"github.com/shiplock/shiplock/internal/script"
	"github.com/shiplock/shiplock/internal/script/syntax"
)

// The data that a rollback deletes is counted twice. Find counts before anything runs, with
// the names in the files. Before the statement runs, other sessions may commit rows, and a function
// or another tool may rename tables. A guarded script therefore counts again in its own
// transaction: before a statement that drops or overwrites, with the table locked and its current
// name (GuardSQL), and at the end with the server's own count of deleted rows, which includes
// those deleted by a function, a trigger, a rule or a foreign key (CheckSQL). Both fail with
// SQLState.
const (
	SQLState   = "SL001"
	Constraint = "shiplock_data_loss"
)

// Detail is the DETAIL of an error with SQLState.
type Detail struct {
	How     string `json:"how"`
	Rows    int    `json:"rows"`
	Unknown string `json:"unknown"`
}

// raiseLossSQL is the PL/pgSQL statement that raises the error; r.t and r.c are the table and the
// column.
const raiseLossSQL = `RAISE EXCEPTION USING ERRCODE = '` + SQLState + `', CONSTRAINT = '` + Constraint + `', TABLE = r.t, COLUMN = r.c,
	MESSAGE = pg_catalog.format('data loss: %s would lose rows of %s', r.how, r.t || CASE WHEN r.c = '' THEN '' ELSE '.' || r.c END),
	DETAIL = pg_catalog.json_build_object('how', r.how, 'rows', n, 'unknown', why)::text,
	HINT = 'Keep the newer schema and roll forward, or take a backup and allow the data loss.';`

// doBlock returns a DO block with a body.
func doBlock(body string) string { return "DO " + strings.TrimSpace(pq.QuoteLiteral(body)) + ";\n" }

// guardsDataLoss reports whether the losses of the running migration are counted.
func (counter *Counter) guardsDataLoss() bool {
	return counter.Guard.Active && counter.session.Server.Plpgsql
}

// GuardSQL returns the SQL before a statement that deletes data; empty for other statements.
func (counter *Counter) GuardSQL(st script.Statement) string {
	if !counter.guardsDataLoss() || st.RefusesTransaction {
		return ""
	}
	n := st.Node
	if n == nil {
		tree, err := pgquery.Parse(script.TrimSemicolon(st.Text))
		if err != nil || len(tree.Stmts) != 1 {
			return ""
		}
		n = tree.Stmts[0].Stmt
	}
	var targets []string
	for i, t := range lint.StatementChangesOf(n, st.Text) {
		if t.Undetermined == "" && !t.CountedByServer && !counter.Guard.Own.Has(script.TrimSemicolon(st.Text), i) {
			targets = append(targets, targetsQuery(t))
		}
	}
	if len(targets) == 0 {
		return ""
	}
	each := "FOR r IN " + strings.Join(targets, "\nUNION ALL ") + " LOOP\n"
	lock := "DECLARE r record; n bigint := 0; why text; BEGIN\n" + each + `
	BEGIN
		EXECUTE pg_catalog.format('LOCK TABLE %s IN %s MODE', r.t, r.mode);
	EXCEPTION WHEN insufficient_privilege THEN
		why := SQLERRM;
		` + raiseLossSQL + `
	END;
	END LOOP; END`
	// A transaction with a snapshot from its start does not see rows committed before it got the
	// lock: the table must be empty on disk.
	count := "DECLARE r record; n bigint; why text; BEGIN\n" + each + `
	BEGIN
		why := '';
		EXECUTE 'SELECT count(*) FROM (' || r.q || ' LIMIT ` + fmt.Sprint(MaxCountedRows+1) + `) AS counted' INTO n;
		IF n > 0 THEN
			why := r.doubt;
		ELSIF pg_catalog.current_setting('transaction_isolation') <> 'read committed' AND (WITH RECURSIVE i(oid) AS (
				SELECT r.t::regclass::oid UNION SELECT inhrelid FROM i JOIN pg_catalog.pg_inherits ON inhparent = i.oid)
				SELECT sum(pg_catalog.pg_relation_size(oid)) FROM i) > 0 THEN
			n := 1;
			why := 'the isolation level of the transaction hides rows committed after its start';
		END IF;
	EXCEPTION
		WHEN lock_not_available THEN RAISE;
		WHEN query_canceled OR OTHERS THEN
			n := 1;
			why := SQLERRM;
	END;
	IF n > 0 THEN
		` + raiseLossSQL + `
	END IF;
	END LOOP; END`
	return doBlock(lock) + countLimitsSQL + doBlock(count) + restoreLimitsSQL
}

// countLimitsSQL limits the duration of the count while the table is locked, and makes a row
// security policy that hides rows an error; restoreLimitsSQL restores both settings.
var (
	countLimitsSQL = fmt.Sprintf(`SELECT pg_catalog.set_config('shiplock.statement_timeout', setting, true), pg_catalog.set_config('shiplock.row_security', pg_catalog.current_setting('row_security'), true),
	pg_catalog.set_config('statement_timeout', CASE WHEN setting::int BETWEEN 1 AND %d THEN setting ELSE '%[1]d' END, true), pg_catalog.set_config('row_security', 'off', true)
FROM pg_catalog.pg_settings WHERE name = 'statement_timeout';
`, countTimeout.Milliseconds())
	restoreLimitsSQL = `SELECT pg_catalog.set_config('statement_timeout', pg_catalog.current_setting('shiplock.statement_timeout'), true), pg_catalog.set_config('row_security', pg_catalog.current_setting('shiplock.row_security'), true);
`
)

// targetsQuery returns the query for the data that a statement deletes when it runs: how, the
// table, the column, the query for the rows, why that is uncertain, and the lock mode.
func targetsQuery(t lint.StatementChange) string {
	name := t.Object
	if t.Rel != nil {
		name = syntax.QuoteRelation(t.Rel)
	}
	rows := `CASE q.c WHEN '' THEN 'SELECT FROM ' || q.t ELSE pg_catalog.format('SELECT FROM %s WHERE %s IS NOT NULL', q.t, q.c) END`
	mode := "ACCESS EXCLUSIVE"
	switch {
	case t.Rows != nil:
		rows, mode = pq.QuoteLiteral(lint.SQLOf(t.Rows)), "SHARE ROW EXCLUSIVE"
	case t.NewType != "":
		rows = fmt.Sprintf(`pg_catalog.format('SELECT FROM %%s WHERE %%s IS NOT NULL AND %%2$s IS DISTINCT FROM CAST(%%2$s AS %%s)', q.t, q.c, %s)`, pq.QuoteLiteral(t.NewType))
	case t.Operation == "INSERT … ON CONFLICT DO UPDATE", t.Operation == "MERGE":
		mode = "SHARE ROW EXCLUSIVE"
	}
	return fmt.Sprintf("SELECT %s::text AS how, q.t::text AS t, q.c::text AS c, (%s)::text AS q, %s::text AS doubt, '%s'::text AS mode FROM (%s) q",
		pq.QuoteLiteral(t.Operation), rows, pq.QuoteLiteral(t.UnknownRows), mode, postgres.InlineParams(targetQuery[t.Expand], name, t.Column))
}

// BaselineSQL returns the SQL that saves the server's counts of deleted rows before the script:
// the counts of earlier transactions of the session may still be included.
func (counter *Counter) BaselineSQL() string {
	if !counter.guardsDataLoss() {
		return ""
	}
	return `SELECT pg_catalog.set_config('shiplock.deleted', (SELECT coalesce(pg_catalog.jsonb_object_agg(relid, n_tup_del), '{}')::text FROM pg_catalog.pg_stat_xact_user_tables WHERE n_tup_del > 0), true);
`
}

// CheckSQL returns the SQL that fails if the transaction deleted rows that existed before it.
// The system columns identify a table that the transaction created, because ALTER TABLE does not
// write them again. A row that moves to another partition is not a loss.
func (counter *Counter) CheckSQL() string {
	if !counter.guardsDataLoss() {
		return ""
	}
	ownTables := regclasses(append([]string{counter.store.Table.Quoted(), counter.store.HistoryTable()}, counter.Guard.Own.Tables...))
	return doBlock(fmt.Sprintf(`DECLARE
	r record; n bigint; why text := '';
	before jsonb := coalesce(nullif(pg_catalog.current_setting('shiplock.deleted', true), ''), '{}')::jsonb;
BEGIN
	FOR r IN SELECT 'DELETE'::text AS how, pg_catalog.format('%%I.%%I', s.schemaname, s.relname) AS t, ''::text AS c, s.n_tup_del - coalesce((before->>(s.relid::text))::bigint, 0) AS deleted
		FROM pg_catalog.pg_stat_xact_user_tables s JOIN pg_catalog.pg_class c ON c.oid = s.relid JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attname = 'ctid'
		WHERE s.n_tup_del > coalesce((before->>(s.relid::text))::bigint, 0) AND c.relkind = 'r' AND c.relpersistence <> 't'
			AND s.relid NOT IN (%s)
			AND NOT (a.xmin::text::bigint >= 3 AND pg_catalog.age(a.xmin) <= pg_catalog.age(pg_catalog.pg_current_xact_id()::xid))
			AND NOT (c.relispartition AND (SELECT sum(p.n_tup_ins) >= sum(p.n_tup_del) FROM pg_catalog.pg_partition_tree(pg_catalog.pg_partition_root(c.oid)) t
				JOIN pg_catalog.pg_stat_xact_user_tables p ON p.relid = t.relid))
		ORDER BY 2
	LOOP
		n := r.deleted;
		%s
	END LOOP;
END`, ownTables, raiseLossSQL))
}
