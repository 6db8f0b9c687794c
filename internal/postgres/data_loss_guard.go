package postgres

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/lib/pq"
	pgquery "github.com/pganalyze/pg_query_go/v6"
)

// What a down takes away is counted twice. DataLosses looks before anything runs, at the
// names as the files have them. Between that and the statement rows may be committed,
// and a function or another tool may have changed the names. So a guarded script
// counts again in the transaction that runs it: before a statement that drops or
// overwrites, with the table locked and the names as they are then (lossGuardSQL), and at
// the end by the server's own count of the rows that were deleted, whether by a
// function, a trigger, a rule or a foreign key (lossCheckSQL). Both fail with lossState.
const (
	lossState      = "SL001"
	lossConstraint = "shiplock_data_loss"
)

// lossDetail is the DETAIL of such an error.
type lossDetail struct {
	How     string `json:"how"`
	Rows    int    `json:"rows"`
	Unknown string `json:"unknown"`
}

// dataLossFrom returns the loss that ended a migration; nil where something else did.
func dataLossFrom(fail *MigrationError) *DataLoss {
	var server *pq.Error
	var detail lossDetail
	if !errors.As(fail.Err, &server) || server.Code != lossState || server.Constraint != lossConstraint || json.Unmarshal([]byte(server.Detail), &detail) != nil {
		return nil
	}
	line, _ := fail.Position()
	return &DataLoss{File: fail.File, Line: line, How: detail.How, Table: server.Table, Column: server.Column,
		Rows: min(detail.Rows, maxCountedRows), AtLeast: detail.Rows > maxCountedRows, Unknown: detail.Unknown}
}

// raiseLossSQL is the PL/pgSQL that fails; r.t and r.c are the table and the column.
const raiseLossSQL = `RAISE EXCEPTION USING ERRCODE = '` + lossState + `', CONSTRAINT = '` + lossConstraint + `', TABLE = r.t, COLUMN = r.c,
	MESSAGE = pg_catalog.format('data loss: %s would lose rows of %s', r.how, r.t || CASE WHEN r.c = '' THEN '' ELSE '.' || r.c END),
	DETAIL = pg_catalog.json_build_object('how', r.how, 'rows', n, 'unknown', why)::text,
	HINT = 'Keep the newer schema and roll forward, or, with a backup, run the down with --allow-data-loss.';`

// doBlock is a DO block.
func doBlock(body string) string { return "DO " + strings.TrimSpace(pq.QuoteLiteral(body)) + ";\n" }

// guardsDataLoss reports whether the script's losses are counted as it runs.
func (db *DB) guardsDataLoss(s *Script) bool { return s.guarded && db.Server.plpgsql }

// lossGuardSQL is the SQL before a statement that takes data away; empty for others.
func (db *DB) lossGuardSQL(s *Script, st Statement) string {
	if !db.guardsDataLoss(s) || st.refusesTransaction {
		return ""
	}
	n := st.node
	if n == nil {
		tree, err := pgquery.Parse(trimSemicolon(st.Text))
		if err != nil || len(tree.Stmts) != 1 {
			return ""
		}
		n = tree.Stmts[0].Stmt
	}
	var targets []string
	for i, t := range statementChangesOf(n, st.Text) {
		if t.undetermined == "" && !t.countedByServer && !s.own.has(trimSemicolon(st.Text), i) {
			targets = append(targets, t.targetsQuery())
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
	// A transaction that sees the rows of its beginning does not see those committed
	// before it got the lock: it must have no room for any.
	count := "DECLARE r record; n bigint; why text; BEGIN\n" + each + `
	BEGIN
		why := '';
		EXECUTE 'SELECT count(*) FROM (' || r.q || ' LIMIT ` + fmt.Sprint(maxCountedRows+1) + `) AS counted' INTO n;
		IF n > 0 THEN
			why := r.doubt;
		ELSIF pg_catalog.current_setting('transaction_isolation') <> 'read committed' AND (WITH RECURSIVE i(oid) AS (
				SELECT r.t::regclass::oid UNION SELECT inhrelid FROM i JOIN pg_catalog.pg_inherits ON inhparent = i.oid)
				SELECT sum(pg_catalog.pg_relation_size(oid)) FROM i) > 0 THEN
			n := 1;
			why := 'the transaction''s isolation level hides rows that were committed after it began';
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

// countLimits bounds the count while the table is locked, and makes a policy that hides
// rows an error; restoreLimits takes both back.
var (
	countLimitsSQL = fmt.Sprintf(`SELECT pg_catalog.set_config('shiplock.statement_timeout', setting, true), pg_catalog.set_config('shiplock.row_security', pg_catalog.current_setting('row_security'), true),
	pg_catalog.set_config('statement_timeout', CASE WHEN setting::int BETWEEN 1 AND %d THEN setting ELSE '%[1]d' END, true), pg_catalog.set_config('row_security', 'off', true)
FROM pg_catalog.pg_settings WHERE name = 'statement_timeout';
`, countTimeout.Milliseconds())
	restoreLimitsSQL = `SELECT pg_catalog.set_config('statement_timeout', pg_catalog.current_setting('shiplock.statement_timeout'), true), pg_catalog.set_config('row_security', pg_catalog.current_setting('shiplock.row_security'), true);
`
)

// targetsQuery is the query of what a taking is about when its statement runs: how, the
// table, the column, the query of the rows, why that is not certain, and the lock.
func (t statementChange) targetsQuery() string {
	name := t.object
	if t.rel != nil {
		name = nameIn(t.rel)
	}
	rows := `CASE q.c WHEN '' THEN 'SELECT FROM ' || q.t ELSE pg_catalog.format('SELECT FROM %s WHERE %s IS NOT NULL', q.t, q.c) END`
	mode := "ACCESS EXCLUSIVE"
	switch {
	case t.rows != nil:
		rows, mode = pq.QuoteLiteral(sqlOf(t.rows)), "SHARE ROW EXCLUSIVE"
	case t.newType != "":
		rows = fmt.Sprintf(`pg_catalog.format('SELECT FROM %%s WHERE %%s IS NOT NULL AND %%2$s IS DISTINCT FROM CAST(%%2$s AS %%s)', q.t, q.c, %s)`, pq.QuoteLiteral(t.newType))
	case t.operation == "INSERT … ON CONFLICT DO UPDATE", t.operation == "MERGE":
		mode = "SHARE ROW EXCLUSIVE"
	}
	return fmt.Sprintf("SELECT %s::text AS how, q.t::text AS t, q.c::text AS c, (%s)::text AS q, %s::text AS doubt, '%s'::text AS mode FROM (%s) q",
		pq.QuoteLiteral(t.operation), rows, pq.QuoteLiteral(t.unknownRows), mode, inlineParams(targetQuery[t.expand], name, t.column))
}

// lossBaselineSQL notes how many rows of each table the server has counted as deleted:
// it sends its counts to the statistics some time after a transaction.
func (db *DB) lossBaselineSQL(s *Script) string {
	if !db.guardsDataLoss(s) {
		return ""
	}
	return `SELECT pg_catalog.set_config('shiplock.deleted', (SELECT coalesce(pg_catalog.jsonb_object_agg(relid, n_tup_del), '{}')::text FROM pg_catalog.pg_stat_xact_user_tables WHERE n_tup_del > 0), true);
`
}

// lossCheckSQL fails where the transaction has deleted rows that were there before it. A
// table that the transaction has created is known by its system columns, which no
// ALTER TABLE writes again; a row that moves to another partition is no loss.
func (db *DB) lossCheckSQL(s *Script) string {
	if !db.guardsDataLoss(s) {
		return ""
	}
	ours := regclasses(append([]string{db.table.quoted(), db.historyTable()}, s.own.tables...))
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
END`, ours, raiseLossSQL))
}
