package cli_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/test/fixture"
	"github.com/shiplock/shiplock/internal/test/pgtest"
)

// A workspace is a database and a directory of migration files that a test changes.
type workspace struct {
	*pgtest.Database
	t   *testing.T
	dir string
}

func newWorkspace(t *testing.T, files map[string]string) *workspace {
	return &workspace{Database: pgtest.New(t), t: t, dir: fixture.FileMap(t, files)}
}

func (w *workspace) write(name, text string) {
	w.t.Helper()
	fixture.Write(w.t, w.dir, name, text)
}

func (w *workspace) run(args ...string) outcome {
	w.t.Helper()
	return call(w.t.Context(), append(args, "--source", w.dir, "--database-url", w.URL())...)
}

func (w *workspace) mustExit(code int, args ...string) outcome {
	w.t.Helper()
	out := w.run(args...)
	require.Equal(w.t, code, out.code, out.err)
	return out
}

func (w *workspace) history() string {
	w.t.Helper()
	return w.Value(w.t, "SELECT string_agg(concat_ws(' ', migration_version, run_direction, run_outcome, statements_applied || '/' || statements_total), ', ' ORDER BY run_id) FROM schema_migrations_history")
}

func TestHistory_EachRun_Recorded(t *testing.T) {
	t.Setenv("SHIPLOCK_RELEASE", "booking")
	t.Setenv("SHIPLOCK_REVISION", "3")
	w := newWorkspace(t, map[string]string{"1_a.up.sql": "CREATE TABLE a (b int); SELECT 1", "1_a.down.sql": "DROP TABLE a"})
	w.mustExit(0, "up")
	assert.Equal(t, "1 up applied 2/2", w.history())
	w.write("2_b.up.sql", "SELECT nope")
	w.mustExit(6, "up")
	assert.Equal(t, "1 up applied 2/2, 2 up failed 0/1", w.history())
	assert.Contains(t, w.Value(t, "SELECT run_error FROM schema_migrations_history WHERE migration_version = 2"),
		`migration 2_b.up.sql:1:8 (version 2 up): pq: column "nope" does not exist`)
	w.write("2_b.up.sql", "BEGIN; CREATE TABLE c (d int); COMMIT;")
	w.write("2_b.down.sql", "DROP TABLE c; -- goes")
	w.mustExit(0, "up")
	w.mustExit(0, "down", "--to", "1")
	assert.Equal(t, "1 up applied 2/2, 2 up failed 0/1, 2 up applied 1/1, 2 down applied 1/1", w.history())
	assert.Equal(t, "BEGIN; CREATE TABLE c (d int); COMMIT;|DROP TABLE c; -- goes|booking|3|"+w.User,
		w.Value(t, "SELECT concat_ws('|', up_sql, down_sql, run_release, run_revision, database_user) FROM schema_migrations_history WHERE run_id = 3"))
	assert.Regexp(t, `1 +a +applied +20\d\d-.*booking, revision 3`, w.mustExit(0, "status").stdout)
	assert.Equal(t, "1", w.Value(t, "SELECT version FROM schema_migrations"))
}

func TestUp_FirstMigrationFails_NothingCreated(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t, map[string]string{"1_a.up.sql": "SELECT nope"})
	w.mustExit(6, "up")
	assert.Empty(t, w.Value(t, "SELECT string_agg(relname, ' ') FROM pg_class WHERE relnamespace = 'public'::regnamespace"))
}

func TestUp_GolangMigrateHistory_Imported(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t, map[string]string{"1_a.up.sql": "SELECT 1", "2_b.up.sql": "SELECT 2", "3_c.up.sql": "SELECT 3"})
	w.Exec(t, "CREATE TABLE schema_migrations (version bigint NOT NULL PRIMARY KEY, dirty boolean NOT NULL); INSERT INTO schema_migrations VALUES (2, false)")
	w.Exec(t, fmt.Sprintf("ALTER TABLE schema_migrations OWNER TO %q", w.User))
	assert.Contains(t, w.mustExit(0, "status").stdout, "2        b     applied")
	w.mustExit(0, "up")
	assert.Equal(t, "1 up imported 0/0, 2 up imported 0/0, 3 up applied 1/1", w.history())

	w.Exec(t, "UPDATE schema_migrations SET version = 1") // golang-migrate down 2
	w.mustExit(0, "status")
	w.mustExit(0, "up")
	assert.Equal(t, "1 up imported 0/0, 2 up imported 0/0, 3 up applied 1/1, 2 down imported 0/0, 3 down imported 0/0, 2 up applied 1/1, 3 up applied 1/1", w.history())

	w.write("4_d.up.sql", "SELECT 4")
	w.Exec(t, "UPDATE schema_migrations SET version = 4") // golang-migrate up
	assert.Len(t, w.mustExit(0, "up").records("nothing to do"), 1)
	assert.Regexp(t, "4 up imported 0/0$", w.history())
}

func TestUp_NoPrivilegeForHistoryTable_RunsWithout(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t, map[string]string{"1_a.up.sql": "CREATE TABLE own.a (b int)", "2_x.up.sql": "INSERT INTO own.a VALUES (1); VACUUM own.a"})
	w.Exec(t, "CREATE TABLE schema_migrations (version bigint NOT NULL PRIMARY KEY, dirty boolean NOT NULL)")
	w.Exec(t, fmt.Sprintf("GRANT ALL ON schema_migrations TO %[1]q; REVOKE CREATE ON SCHEMA public FROM %[1]q, PUBLIC; CREATE SCHEMA own AUTHORIZATION %[1]q", w.User))
	w.Exec(t, fmt.Sprintf("ALTER DATABASE %q OWNER TO postgres", w.Name)) // the database owner also owns schema public (pg_database_owner)
	w.mustExit(0, "up")
	assert.Empty(t, w.Value(t, "SELECT to_regclass('schema_migrations_history')"))
	out := w.mustExit(0, "up")
	assert.Len(t, out.records("", "level", "WARN", "schema", "public", "role", w.User), 1, out.err)
	assert.Equal(t, "2 1", w.Value(t, "SELECT version || ' ' || (SELECT sum(b) FROM own.a) FROM schema_migrations"))
}

func TestUp_EditedFile_Refused(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t, map[string]string{"1_a.up.sql": "CREATE TABLE a (b int);"})
	w.mustExit(0, "up")
	w.write("1_a.up.sql", "-- a better comment\nCREATE  TABLE a\n(b int) ;\r\n")
	w.mustExit(0, "up")
	w.write("1_a.up.sql", "CREATE TABLE a (b bigint);")
	golden(t, "edited", w.mustExit(5, "up").err)
	assert.Contains(t, w.mustExit(0, "status").stdout, "file has changed")
	w.mustExit(0, "up", "--on-edited", "allow")
}

func TestUp_OutOfOrderMigration_RefusedOrApplied(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t, map[string]string{"1_a.up.sql": "CREATE TABLE a (b int)", "5_b.up.sql": "SELECT 5", "5_b.down.sql": "SELECT 5"})
	w.mustExit(0, "up")
	w.write("3_late.up.sql", "ALTER TABLE a ADD COLUMN late int")
	w.write("3_late.down.sql", "ALTER TABLE a DROP COLUMN late")
	w.write("6_next.up.sql", "SELECT late FROM a")
	w.write("6_next.down.sql", "SELECT 6")
	golden(t, "out-of-order", w.mustExit(5, "up").err)
	assert.Equal(t, "5", w.Value(t, "SELECT version FROM schema_migrations"), "no migration must run")
	assert.Regexp(t, `3 +late +pending`, w.mustExit(0, "status").stdout)
	w.mustExit(0, "up", "--out-of-order", "apply")
	assert.Equal(t, "1 up applied 1/1, 5 up applied 1/1, 3 up applied 1/1, 6 up applied 1/1", w.history())
	assert.Equal(t, "6", w.Value(t, "SELECT version FROM schema_migrations"))
	w.mustExit(0, "up")
	w.mustExit(0, "down", "--to", "1")
	assert.Regexp(t, "6 down applied 1/1, 5 down applied 1/1, 3 down applied 1/1$", w.history())
}

// terminateDuring runs up and terminates its backend while it runs the statement that matches.
func (w *workspace) terminateDuring(like string) outcome {
	w.t.Helper()
	done := make(chan outcome, 1)
	go func() { done <- w.run("up") }()
	const backend = "FROM pg_stat_activity WHERE application_name = 'shiplock' AND state = 'active' AND datname = current_database() AND query LIKE '"
	fixture.Eventually(w.t, w.Database, "SELECT count(*) "+backend+like+"'", "1")
	w.Exec(w.t, "SELECT pg_terminate_backend(pid) "+backend+like+"'")
	return <-done
}

func TestUp_InterruptedFile_Resumed(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t, map[string]string{"1_a.up.sql": "CREATE TABLE a (b int);\nCREATE TABLE log (n int);",
		"2_mixed.up.sql": "INSERT INTO log VALUES (1);\nCREATE INDEX CONCURRENTLY i ON a (b);\nBEGIN; INSERT INTO log VALUES (2); COMMIT;\n" +
			"INSERT INTO log SELECT 3 FROM pg_sleep(CASE WHEN current_setting('application_name') = 'shiplock' THEN 30 ELSE 0 END);\nVACUUM a;\nINSERT INTO log VALUES (4);"})
	out := w.terminateDuring("/* 2_mixed.up.sql */ INSERT INTO log SELECT 3%") // the row in the history table also contains the text
	assert.Equal(t, 3, out.code, out.err)
	golden(t, "connection-lost-partially-applied", out.err)
	assert.Equal(t, "1 up applied 2/2, 2 up running 5/8", w.history())
	assert.Equal(t, "2 true", w.Value(t, "SELECT version || ' ' || dirty FROM schema_migrations"))
	assert.Regexp(t, `2 +mixed +partially applied, 5 of 8 statements`, w.mustExit(0, "status").stdout)

	w.write("2_mixed.up.sql", regexp.MustCompile(`pg_sleep\(.*\)`).ReplaceAllString(w.read("2_mixed.up.sql"), "pg_sleep(0)"))
	w.mustExit(0, "up")
	assert.Equal(t, "1,2,3,4", w.Value(t, "SELECT string_agg(n::text, ',' ORDER BY n) FROM log"), "each statement ran once")
	assert.Equal(t, "1 up applied 2/2, 2 up applied 8/8", w.history())
	assert.Equal(t, "2 false", w.Value(t, "SELECT version || ' ' || dirty FROM schema_migrations"))
}

func (w *workspace) read(name string) string {
	w.t.Helper()
	b, err := os.ReadFile(filepath.Join(w.dir, name))
	require.NoError(w.t, err)
	return string(b)
}

func TestUp_FailedFileCorrected_Resumed(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t, map[string]string{"1_x.up.sql": "CREATE TABLE a (b int);\nCREATE INDEX CONCURRENTLY i ON a (nope);\nINSERT INTO a VALUES (1);"})
	w.mustExit(7, "up")
	assert.Equal(t, "1 up partially applied 1/3", w.history())
	w.mustExit(7, "up")
	w.write("1_x.up.sql", "CREATE TABLE a (b bigint);\nCREATE INDEX CONCURRENTLY i ON a (b);\nINSERT INTO a VALUES (1);")
	golden(t, "changed", w.mustExit(5, "up").err)
	w.write("1_x.up.sql", "CREATE TABLE a (b int); -- original\nCREATE INDEX CONCURRENTLY i ON a (b);\nINSERT INTO a VALUES (1);")
	w.mustExit(0, "up")
	assert.Equal(t, "1", w.Value(t, "SELECT count(*) FROM a"))
	w.mustExit(0, "up")
	assert.Equal(t, "1 up applied 3/3", w.history())
}

// TestUp_UncountedStatement_OutcomeReadFromCatalogs resets the history table to the state in which a
// statement had committed without being counted, or had not committed.
func TestUp_UncountedStatement_OutcomeReadFromCatalogs(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ statement, reset string }{
		"index built":       {"CREATE INDEX CONCURRENTLY i ON a (b)", ""},
		"index not built":   {"CREATE INDEX CONCURRENTLY i ON a (b)", "DROP INDEX i"},
		"index dropped":     {"DROP INDEX CONCURRENTLY old", ""},
		"index not dropped": {"DROP INDEX CONCURRENTLY old", "CREATE INDEX old ON a (b)"},
		"repeatable":        {"VACUUM a", ""},
		// ALTER TYPE is counted in its own transaction, except in a file with a read-only transaction.
		"value added":       {"ALTER TYPE mood ADD VALUE 'ok';\nBEGIN READ ONLY; COMMIT", ""},
		"value not added":   {"ALTER TYPE public.mood ADD VALUE 'ok' BEFORE 'sad';\nBEGIN READ ONLY; COMMIT", "DROP TYPE mood; CREATE TYPE mood AS ENUM ('sad')"},
		"value renamed":     {"ALTER TYPE mood RENAME VALUE 'sad' TO 'ok';\nBEGIN READ ONLY; COMMIT", ""},
		"value not renamed": {"ALTER TYPE mood RENAME VALUE 'sad' TO 'ok';\nBEGIN READ ONLY; COMMIT", "ALTER TYPE mood RENAME VALUE 'ok' TO 'sad'"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorkspace(t, map[string]string{"1_a.up.sql": "CREATE TABLE a (b int);\nCREATE INDEX old ON a (b);",
				"2_x.up.sql": "-- shiplock:no-transaction\nINSERT INTO a VALUES (1);\n" + c.statement + ";\nINSERT INTO a VALUES (2);"})
			w.Exec(t, fmt.Sprintf("CREATE TYPE mood AS ENUM ('sad'); ALTER TYPE mood OWNER TO %q", w.User))
			w.mustExit(0, "up")
			w.Exec(t, "DELETE FROM a WHERE b = 2; "+strings.ReplaceAll(c.reset, "'sad')", fmt.Sprintf("'sad'); ALTER TYPE mood OWNER TO %q", w.User)))
			w.Exec(t, "UPDATE schema_migrations SET dirty = true; UPDATE schema_migrations_history SET run_outcome = 'running', statements_applied = 1 WHERE migration_version = 2")
			w.mustExit(0, "up")
			assert.Equal(t, "1,2", w.Value(t, "SELECT string_agg(b::text, ',' ORDER BY b) FROM a"))
			n := 3 + strings.Count(c.statement, ";")
			assert.Equal(t, fmt.Sprintf("1 up applied 2/2, 2 up applied %d/%[1]d", n), w.history())
		})
	}
}

// TestUp_UncountedStatements_Refused uses a file that changes the role and is therefore not counted. The
// outcome of its first statement does not show that of the others.
func TestUp_UncountedStatements_Refused(t *testing.T) {
	t.Parallel()
	for _, first := range []string{"DROP INDEX CONCURRENTLY old", "VACUUM a", "CREATE INDEX CONCURRENTLY i ON a (b)"} {
		t.Run(first, func(t *testing.T) {
			t.Parallel()
			w := newWorkspace(t, map[string]string{"1_a.up.sql": "CREATE TABLE a (b int);\nCREATE INDEX old ON a (b);",
				"2_x.up.sql": first + ";\nSET ROLE NONE;\nINSERT INTO a VALUES (1);\nSELECT pg_sleep(CASE WHEN current_setting('application_name') = 'shiplock' THEN 600 ELSE 0 END);"})
			w.terminateDuring("/* 2_x.up.sql */ SELECT pg_sleep(%") // the row in the history table also contains the text
			assert.Equal(t, "1 up applied 2/2, 2 up running 0/4", w.history())
			golden(t, "statements-not-counted", w.mustExit(5, "up").err)
			assert.Equal(t, "1", w.Value(t, "SELECT count(*) FROM a"), "the statement must not run again")
		})
	}
}

func TestRepair_EachAnswer_UpContinues(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ resolution, log, version, history string }{
		{"--statement-applied", "1,3", "1 false", "1 up applied 3/3"},
		{"--statement-not-applied", "1,2,3", "1 false", "1 up applied 3/3"},
		{"--applied", "1", "1 false", "1 up running 1/3, 1 up resolved 0/0"},
		{"--rolled-back", "1", "", "1 up running 1/3, 1 down resolved 0/0"},
	} {
		t.Run(c.resolution, func(t *testing.T) {
			t.Parallel()
			w := newWorkspace(t, map[string]string{"1_x.up.sql": "-- shiplock:no-transaction\nCREATE TABLE log AS SELECT 1 AS n;\n" +
				"DO $$ BEGIN INSERT INTO log VALUES (2); COMMIT; END $$;\nINSERT INTO log VALUES (3);"})
			w.mustExit(0, "up")
			w.Exec(t, "DELETE FROM log WHERE n > 1; UPDATE schema_migrations SET dirty = true; UPDATE schema_migrations_history SET run_outcome = 'running', statements_applied = 1")
			golden(t, "unknown-outcome", w.mustExit(5, "up").err)
			w.mustExit(2, "repair")
			w.mustExit(0, "repair", c.resolution)
			if c.version != "" {
				w.mustExit(0, "up")
			}
			assert.Equal(t, c.log, w.Value(t, "SELECT string_agg(n::text, ',' ORDER BY n) FROM log"))
			assert.Equal(t, c.version, w.Value(t, "SELECT version || ' ' || dirty FROM schema_migrations"))
			assert.Equal(t, c.history, w.history())
			golden(t, "nothing-to-repair", w.mustExit(5, "repair", "--applied").err)
		})
	}
}

func TestRepair_DirtyByGolangMigrate_Resolved(t *testing.T) {
	t.Parallel()
	for resolution, want := range map[string]string{"--applied": "2 false", "--rolled-back": "1 false"} {
		w := newWorkspace(t, map[string]string{"1_a.up.sql": "SELECT 1", "2_b.up.sql": "SELECT 2"})
		w.Exec(t, "CREATE TABLE schema_migrations (version bigint NOT NULL PRIMARY KEY, dirty boolean NOT NULL); INSERT INTO schema_migrations VALUES (2, true)")
		w.Exec(t, fmt.Sprintf("ALTER TABLE schema_migrations OWNER TO %q", w.User))
		w.mustExit(5, "up")
		w.mustExit(5, "repair", "--statement-applied")
		w.mustExit(0, "repair", resolution)
		assert.Equal(t, want, w.Value(t, "SELECT version || ' ' || dirty FROM schema_migrations"))
		w.mustExit(0, "up")
		assert.Equal(t, "2 false", w.Value(t, "SELECT version || ' ' || dirty FROM schema_migrations"))
	}
}
