package cli_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// Tables and rows as the tools write them. The tests in internal/test/tools run the tools themselves, where
// available.
const (
	prismaTable = `CREATE TABLE _prisma_migrations (id varchar(36) PRIMARY KEY, checksum varchar(64) NOT NULL, finished_at timestamptz, migration_name varchar(255) NOT NULL,
		logs text, rolled_back_at timestamptz, started_at timestamptz NOT NULL DEFAULT now(), applied_steps_count integer NOT NULL DEFAULT 0);
		INSERT INTO _prisma_migrations (id, checksum, finished_at, migration_name, rolled_back_at) VALUES
		('a', 'x', now(), '20240101000000_init', NULL), ('b', 'x', NULL, '20240102000000_email', now()), ('c', 'x', NULL, '20240103000000_email', NULL)`
	liquibaseTable = `CREATE TABLE databasechangeloglock (id integer NOT NULL PRIMARY KEY, locked boolean NOT NULL, lockgranted timestamp, lockedby varchar(255));
		INSERT INTO databasechangeloglock VALUES (1, true, '2026-11-29 20:00:00', 'booking-migrate-x7k2p (10.0.0.7)')`
	flywayTable = `CREATE TABLE flyway_schema_history (installed_rank integer NOT NULL PRIMARY KEY, version varchar(50), description varchar(200) NOT NULL, type varchar(20) NOT NULL,
		script varchar(1000) NOT NULL, checksum integer, installed_by varchar(100) NOT NULL, installed_on timestamp NOT NULL DEFAULT now(), execution_time integer NOT NULL, success boolean NOT NULL);
		INSERT INTO flyway_schema_history VALUES (1, '1', 'guests', 'SQL', 'V1__guests.sql', 1, 'app', now(), 5, true), (2, '2', 'index', 'SQL', 'V2__index.sql', 1, 'app', now(), 5, false)`
	golangMigrateTable = `CREATE TABLE schema_migrations (version bigint NOT NULL PRIMARY KEY, dirty boolean NOT NULL); INSERT INTO schema_migrations VALUES (20240102030405, true)`
	knexTable          = `CREATE TABLE knex_migrations_lock (index serial PRIMARY KEY, is_locked integer); INSERT INTO knex_migrations_lock (is_locked) VALUES (1)`
)

func TestExec_ToolLockOrFailedMark_ReportedWithCommand(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		sql, mark, resolve string
	}{
		"prisma":         {prismaTable, "public._prisma_migrations (Prisma): migration 20240103000000_email is marked as failed (P3009)", `prisma migrate resolve --rolled-back "20240103000000_email"`},
		"liquibase":      {liquibaseTable, "public.databasechangeloglock (Liquibase): the change log is locked by booking-migrate-x7k2p (10.0.0.7) since 2026-11-29T20:00:00", "liquibase release-locks"},
		"flyway":         {flywayTable, "public.flyway_schema_history (Flyway): migration V2__index.sql is marked as failed", "flyway repair"},
		"golang-migrate": {golangMigrateTable, "public.schema_migrations (golang-migrate): version 20240102030405 is marked dirty", "migrate force 20240102030405"},
		"knex":           {knexTable, "public.knex_migrations_lock (Knex): the migrations are locked", "knex migrate:unlock"},
		"other names": {`CREATE SCHEMA "Ops x"; CREATE TABLE "Ops x"."LOCK" ("ID" integer PRIMARY KEY, "LOCKED" boolean, "LOCKGRANTED" timestamp, "LOCKEDBY" varchar(255));
			INSERT INTO "Ops x"."LOCK" VALUES (1, true, '2026-11-29 20:00:00', 'it'); GRANT USAGE ON SCHEMA "Ops x" TO PUBLIC; GRANT SELECT ON "Ops x"."LOCK" TO PUBLIC`, "Ops x.LOCK (Liquibase): the change log is locked by it", "liquibase release-locks"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newToolFixture(t, "echo it does not work; exit 1")
			b.Exec(t, c.sql+"; GRANT SELECT ON ALL TABLES IN SCHEMA public TO PUBLIC")
			out := b.run()
			assert.Equal(t, 6, out.code, out.err)
			flat := strings.Join(strings.Fields(out.err), " ")
			assert.Contains(t, flat, "tool state "+c.mark)
			assert.Contains(t, flat, "next 1. resolve the tool state in ")
			assert.Contains(t, flat, c.resolve)
			assert.NotContains(t, flat, "20240102000000_email")
			b.golden("exec-tool-state-"+strings.ReplaceAll(name, " ", "-"), out.err)
		})
	}
}

func TestExec_NoToolMark_NotReported(t *testing.T) {
	t.Parallel()
	b := newToolFixture(t, "exit 1")
	b.Exec(t, strings.NewReplacer("true, '2026", "false, '2026", "5, false", "5, true", "030405, true", "030405, false", "VALUES (1)", "VALUES (0)", "'20240103000000_email', NULL", "'20240103000000_email', now()").
		Replace(strings.Join([]string{prismaTable, liquibaseTable, flywayTable, golangMigrateTable, knexTable}, "; "))+"; GRANT SELECT ON ALL TABLES IN SCHEMA public TO PUBLIC")
	out := b.run()
	assert.Equal(t, 6, out.code, out.err)
	assert.NotContains(t, out.err, "\n  tool state ")
	assert.Contains(t, out.err, "fix the error shown in the output and deploy again")
}

// TestExec_ToolMarkUnreadable_NotReported checks that a missing privilege on a tool's table does not
// replace the actual failure.
func TestExec_ToolMarkUnreadable_NotReported(t *testing.T) {
	t.Parallel()
	b := newToolFixture(t, "exit 1")
	b.Exec(t, liquibaseTable+"; REVOKE ALL ON databasechangeloglock FROM PUBLIC")
	out := b.run()
	assert.Equal(t, 6, out.code, out.err)
	assert.NotContains(t, out.err, "\n  tool state ")
}

// TestExec_StoppedWithChanges_AdviceChecksToolTable covers changes that may belong to a migration that
// the tool would run again.
func TestExec_StoppedWithChanges_AdviceChecksToolTable(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]string{
		"timeout":       "sql 'CREATE TABLE half (a int)'; sleep 600",
		"out of memory": "sql 'CREATE TABLE half (a int)'; kill -9 $$",
		"failure":       "sql 'CREATE TABLE half (a int)'; exit 1",
	} {
		b := newToolFixture(t, script)
		b.Exec(t, "CREATE TABLE a (b int)")
		out := b.run("--timeout", "6s")
		_, next, found := strings.Cut(out.err, "\n  next ")
		assert.True(t, found, out.err)
		assert.Regexp(t, `^\s+1\. check in the tool's own table which`, next, name)
		assert.NotContains(t, next, "the tool skips", name)
	}
}

func TestExec_AdvisoryLockOfTool_HolderReported(t *testing.T) {
	t.Parallel()
	b := newToolFixture(t, "echo 'Error: Another migration is already running'; exit 1")
	conn, err := b.Open(t).Conn(t.Context())
	assert.NoError(t, err)
	_, err = conn.ExecContext(t.Context(), "SELECT pg_advisory_lock(7241865325823964)")
	assert.NoError(t, err)
	out := b.run()
	assert.Equal(t, 6, out.code, out.err)
	flat := strings.Join(strings.Fields(out.err), " ")
	assert.Contains(t, flat, "advisory lock 7241865325823964 (node-pg-migrate): held by pid ")
	assert.Contains(t, flat, "SELECT pg_terminate_backend(")
}
