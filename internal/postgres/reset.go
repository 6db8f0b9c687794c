package postgres

import (
	"fmt"
	"strings"
)

// ResetSession removes what a migration leaves in its session: cursors, role, settings (pg_dump's
// output empties the search_path, for example), temporary objects, currval and lastval, LISTEN.
// Cursors are first because a table that a cursor reads cannot be dropped. DISCARD ALL cannot run
// in a transaction and would release the migration lock. See ADR 13.
const ResetSession = "CLOSE ALL;\nRESET SESSION AUTHORIZATION;\nRESET ROLE;\nRESET ALL;\nDISCARD TEMP;\nDISCARD SEQUENCES;\nUNLISTEN *;\n"

// ReseedRandom makes random() unpredictable again: the effect of setseed outlives the migration and
// RESET ALL, and the same tokens would be generated again.
const ReseedRandom = "SELECT pg_catalog.setseed(('x' || pg_catalog.substr(pg_catalog.md5(pg_catalog.random()::text || pg_catalog.clock_timestamp()::text || pg_catalog.pg_backend_pid()::text), 1, 12))::bit(48)::bigint / 281474976710656.0);\n"

// BeginReadWrite opens a transaction that can write, whatever the session's default is.
const BeginReadWrite = "BEGIN READ WRITE;\n"

// DeallocateSQL returns the SQL that removes the migration's prepared statements, which outlive a
// ROLLBACK. Behind a pooler, the session may contain statements that the pooler prepared for the
// application (PgBouncer's max_prepared_statements), and the pooler would not notice their removal.
// There, only statements prepared by PREPARE in this transaction are removed.
func (db *Session) DeallocateSQL() string {
	if !db.Shared || !db.Server.Plpgsql {
		return "DEALLOCATE ALL;\n"
	}
	return fmt.Sprintf(`DO $shiplock$ DECLARE prepared record; BEGIN
	FOR prepared IN SELECT name FROM pg_catalog.pg_prepared_statements WHERE from_sql AND %s >= %d LOOP
		EXECUTE pg_catalog.format('DEALLOCATE %%I', prepared.name);
	END LOOP;
END $shiplock$;
`, EpochMicroseconds("prepare_time"), db.TxStarted)
}

// EpochMicroseconds returns the SQL of a time in microseconds, which no setting changes.
func EpochMicroseconds(time string) string {
	return "(extract(epoch FROM " + time + ") * 1000000)::bigint"
}

// CheckConstraintsSQL returns the SQL that runs deferred constraint checks and triggers, so that
// their errors belong to this migration and no temporary table has pending ones. If another
// migration follows in the transaction, it must start with the default deferral, which only a
// ROLLBACK restores: the checks run here to detect errors, and again before COMMIT. Those of
// temporary tables, which are dropped now, are final.
func (db *Session) CheckConstraintsSQL(leavesTxOpen bool) string {
	const settle = "SET CONSTRAINTS ALL IMMEDIATE;\n"
	if !leavesTxOpen {
		return settle
	}
	const point = "shiplock_constraints"
	out := strings.ReplaceAll("SAVEPOINT %;\n"+settle+"ROLLBACK TO SAVEPOINT %;\nRELEASE SAVEPOINT %;\n", "%", point)
	if db.Server.Plpgsql {
		out += `DO $shiplock$ DECLARE temporary text; BEGIN
	SELECT pg_catalog.string_agg(DISTINCT pg_catalog.format('%I.%I', n.nspname, c.conname), ', ') INTO temporary
	FROM pg_catalog.pg_constraint c JOIN pg_catalog.pg_namespace n ON n.oid = c.connamespace
	WHERE c.condeferrable AND n.oid = pg_catalog.pg_my_temp_schema();
	IF temporary IS NOT NULL THEN EXECUTE 'SET CONSTRAINTS ' || temporary || ' IMMEDIATE'; END IF;
END $shiplock$;
`
	}
	return out
}
