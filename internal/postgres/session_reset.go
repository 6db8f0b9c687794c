package postgres

import (
	"fmt"
	"strings"
)

// resetSession removes what a migration has left in its session: cursors, role,
// settings (pg_dump's output empties the search_path, for one), temporary objects,
// currval and lastval, LISTEN. Cursors first: a table that one of them reads cannot
// be dropped. DISCARD ALL would do it, but not in a transaction, and it releases our
// own lock. See ADR 13.
const resetSession = "CLOSE ALL;\nRESET SESSION AUTHORIZATION;\nRESET ROLE;\nRESET ALL;\nDISCARD TEMP;\nDISCARD SEQUENCES;\nUNLISTEN *;\n"

// reseed makes random() unpredictable again: a setseed outlives the migration, and the
// same tokens would come again. RESET ALL does not concern it.
const reseedRandom = "SELECT pg_catalog.setseed(('x' || pg_catalog.substr(pg_catalog.md5(pg_catalog.random()::text || pg_catalog.clock_timestamp()::text || pg_catalog.pg_backend_pid()::text), 1, 12))::bit(48)::bigint / 281474976710656.0);\n"

// beginWriting opens a transaction that can write whatever the session's default is.
const beginReadWrite = "BEGIN READ WRITE;\n"

// reset is the SQL after which the session is as it was before a migration. It runs
// in one transaction, or it would release our lock for a moment.
func (db *DB) resetSQL() string {
	return resetSession + reseedRandom + db.restoreRoleSQL() + db.keepaliveSQL() + db.deallocateSQL() + db.releaseAdvisoryLocksSQL()
}

// releaseLocks releases the session's advisory locks, however often it has them, but
// for our own: the transaction has that one until its end, and the session has it
// again by then. The SQL fails, with a division by zero, when the migration has
// released ours and another session has it now. Behind a pooler ours is the
// transaction's own, which no function releases.
func (db *DB) releaseAdvisoryLocksSQL() string {
	key, err := db.lockKey()
	if db.lockDepth == 0 || db.pooled || err != nil {
		return "SELECT pg_catalog.pg_advisory_unlock_all();\n"
	}
	return fmt.Sprintf("SELECT 1 / pg_catalog.pg_try_advisory_xact_lock(%[1]d)::int, pg_catalog.pg_advisory_unlock_all(), pg_catalog.pg_try_advisory_lock(%[1]d);\n", key)
}

// deallocate removes the migration's prepared statements, which outlive a ROLLBACK.
// Behind a pooler others in the session are those that the pooler keeps for the
// application (PgBouncer's max_prepared_statements), and it would not notice that
// they are gone: there only those go that were PREPAREd in our transaction.
func (db *DB) deallocateSQL() string {
	if !db.pooled || !db.Server.plpgsql {
		return "DEALLOCATE ALL;\n"
	}
	return fmt.Sprintf(`DO $shiplock$ DECLARE prepared record; BEGIN
	FOR prepared IN SELECT name FROM pg_catalog.pg_prepared_statements WHERE from_sql AND %s >= %d LOOP
		EXECUTE pg_catalog.format('DEALLOCATE %%I', prepared.name);
	END LOOP;
END $shiplock$;
`, epochMicroseconds("prepare_time"), db.lockTxStarted)
}

// sinceEpoch is the SQL of a time in microseconds, which no setting changes.
func epochMicroseconds(time string) string {
	return "(extract(epoch FROM " + time + ") * 1000000)::bigint"
}

// settleConstraints runs the checks and triggers that a migration has deferred, so
// that an error in one of them is this migration's, and no temporary table has any
// left. Where more follows in the transaction, the next migration must find its
// constraints deferred as they are by default, which only a ROLLBACK brings about:
// the checks run for their errors, and again before the COMMIT. Those of temporary
// tables, which go now, run for good.
func (db *DB) checkConstraintsSQL(continued bool) string {
	const settle = "SET CONSTRAINTS ALL IMMEDIATE;\n"
	if !continued {
		return settle
	}
	const point = "shiplock_constraints"
	out := strings.ReplaceAll("SAVEPOINT %;\n"+settle+"ROLLBACK TO SAVEPOINT %;\nRELEASE SAVEPOINT %;\n", "%", point)
	if db.Server.plpgsql {
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
