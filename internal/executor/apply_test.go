package executor

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/history"
	"github.com/shiplock/shiplock/internal/lock"
	"github.com/shiplock/shiplock/internal/migrationerror"
	"github.com/shiplock/shiplock/internal/postgres"
	"github.com/shiplock/shiplock/internal/script"
	"github.com/shiplock/shiplock/internal/test/fixture"
	"github.com/shiplock/shiplock/internal/test/pgtest"
	"github.com/shiplock/shiplock/internal/test/teststore"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

var (
	noVersion  = history.State{Version: -1}
	versionOne = history.State{Version: 1}
)

// apply runs sql as the migration to version 1 of a database without one.
func applySQL(t *testing.T, db *Executor, sql string) *migrationerror.Error {
	t.Helper()
	script, err := script.ParseScript([]byte(sql))
	require.NoError(t, err)
	return db.Apply(t.Context(), Migration{Script: script, From: noVersion, To: versionOne, Entry: history.Entry{Version: 1, Name: "x", Direction: "up"}})
}

func TestApply_Transaction_CommitsSQLAndVersion(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, sql string }{
		{"plain", "CREATE TABLE a (b int); INSERT INTO a VALUES (1);"},
		{"wrapped", "BEGIN;\nCREATE TABLE a (b int);\nINSERT INTO a VALUES (1);\nCOMMIT;\n"},
		{"wrapped with options", "BEGIN ISOLATION LEVEL SERIALIZABLE;CREATE TABLE a (b int);\nINSERT INTO a SELECT 1 WHERE current_setting('transaction_isolation') = 'serializable';END"},
		{"SET TRANSACTION first", "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SET LOCAL lock_timeout = '1s'; CREATE TABLE a (b int); INSERT INTO a VALUES (1)"},
		{"as pg_dump writes it", "SET client_min_messages = error;\nSET default_tablespace = '';\nSELECT pg_catalog.set_config('search_path', '', false);\nCREATE TABLE public.a (b int);\nINSERT INTO public.a VALUES (1);"},
		{"function and trigger", "CREATE TABLE a (b int);\nCREATE FUNCTION f() RETURNS trigger AS $f$\nBEGIN\n  NEW.b := 1; RETURN NEW;\nEND;\n$f$ LANGUAGE plpgsql;\nCREATE TRIGGER t BEFORE INSERT ON a FOR EACH ROW EXECUTE FUNCTION f();\nINSERT INTO a VALUES (2);"},
		{"DO block", "DO $$ BEGIN EXECUTE 'CREATE TABLE a (b int)'; INSERT INTO a VALUES (1); END $$"},
		{"CRLF and BOM", "\ufeff-- x\r\nCREATE TABLE a (b int);\r\nINSERT INTO a VALUES (1);\r\n"},
		{"SQL newer than the parser", "/* unknown */ CREATE TABLE a (b int); INSERT INTO a VALUES (1); COMMENT ON TABLE a IS 'x'"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := pgtest.New(t)
			db := openSession(t, d)
			script, err := script.ParseScript([]byte(c.sql))
			require.NoError(t, err)
			if strings.HasPrefix(c.sql, "/* unknown */") {
				script.Parsed, script.Statements = false, nil // as ParseScript returns SQL that it cannot parse
			}
			require.Nil(t, db.Apply(t.Context(), Migration{Script: script, From: noVersion, To: versionOne, Entry: history.Entry{Version: 1, Name: "x", Direction: "up"}}))
			assert.Equal(t, "1", d.Value(t, "SELECT sum(b) FROM public.a"))
			st, err := db.store.State(t.Context())
			require.NoError(t, err)
			assert.Equal(t, versionOne, st)
			assert.Equal(t, `"$user", public`, sessionValue(t, db, "SELECT current_setting('search_path')"), "a migration does not change the session")
			assert.Equal(t, "read committed", sessionValue(t, db, "SELECT current_setting('transaction_isolation')"))
		})
	}
}

func sessionValue(t *testing.T, db *Executor, query string) (v string) {
	t.Helper()
	require.NoError(t, db.session.Conn.QueryRowContext(t.Context(), query).Scan(&v))
	return v
}

func TestApply_TransactionFails_IsRolledBack(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, sql    string
		line, column int
		statement    string
		sqlstate     string
	}{
		{"syntax", "CREATE TABLE a (b int);\n\nCREATE TABEL x (y int);", 3, 8, "CREATE TABEL x (y int)", "42601"},
		{"relation", "CREATE TABLE a (b int);\nINSERT INTO ü (b)\n  VALUES (1);", 2, 13, "INSERT INTO ü (b)\n  VALUES (1)", "42P01"},
		{"column in the first", "SELECT 'ß', nope; SELECT 1", 1, 13, "SELECT 'ß', nope", "42703"},
		{"no position, second of three", "CREATE TABLE a (b int UNIQUE);\n-- twice\nINSERT INTO a VALUES (1), (1);\nSELECT 1;", 3, 1, "INSERT INTO a VALUES (1), (1)", "23505"},
		{"no position, wrapped", "BEGIN;\nCREATE TABLE a (b int CHECK (b > 0));\nINSERT INTO a VALUES (0);\nCOMMIT;", 3, 1, "INSERT INTO a VALUES (0)", "23514"},
		{"quiet client", "SET client_min_messages = error; CREATE TABLE a (b int UNIQUE);\nINSERT INTO a VALUES (1), (1);\nSELECT 1;", 2, 1, "INSERT INTO a VALUES (1), (1)", "23505"},
		{"deferred to the commit", "CREATE TABLE a (b int PRIMARY KEY, c int REFERENCES a DEFERRABLE INITIALLY DEFERRED);\nINSERT INTO a VALUES (1, 2);", 0, 0, "", "23503"},
		{"error at the end", "CREATE TABLE a (b int);\nSELECT (1;", 2, 10, "SELECT (1", "42601"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := pgtest.New(t)
			db := openSession(t, d)
			fail := applySQL(t, db, c.sql)
			require.NotNil(t, fail)
			assert.Equal(t, migrationerror.RolledBack, fail.Outcome)
			line, column := fail.Position()
			assert.Equal(t, [2]int{c.line, c.column}, [2]int{line, column})
			st, _ := fail.Statement()
			assert.Equal(t, c.statement, st.Text)
			assert.EqualValues(t, c.sqlstate, fail.Server().Code)
			assert.Empty(t, d.Value(t, "SELECT string_agg(relname, ',') FROM pg_class WHERE relnamespace = 'public'::regnamespace"), "not even the version table")
			require.Nil(t, applySQL(t, db, "CREATE TABLE a (b int)"), "the session is usable")
		})
	}
}

func TestApply_UnparsedCommit_IsReported(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	db := openSession(t, d)
	s := &script.Script{SQL: "CREATE TABLE a (b int); COMMIT; CREATE TABLE c (d int);", Begin: "BEGIN", Transactional: true}
	fail := db.Apply(t.Context(), Migration{Script: s, From: noVersion, To: versionOne, Entry: history.Entry{Version: 1, Name: "x", Direction: "up"}})
	require.NotNil(t, fail)
	assert.Equal(t, migrationerror.Unknown, fail.Outcome)
	assert.ErrorContains(t, fail, "the file ended the transaction")
	st, err := db.store.State(t.Context())
	require.NoError(t, err)
	assert.Equal(t, noVersion, st, "the version is unchanged")
}

func TestApply_ConcurrentIndexAndVacuum_RunByStatement(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	db := openSession(t, d)
	require.Nil(t, applySQL(t, db, "CREATE TABLE a (b int);\nCREATE INDEX CONCURRENTLY i ON a (b);\nVACUUM a;"))
	assert.Equal(t, "true", d.Value(t, "SELECT indisvalid FROM pg_index WHERE indexrelid = 'i'::regclass"))
	st, err := db.store.State(t.Context())
	require.NoError(t, err)
	assert.Equal(t, versionOne, st)
}

// The results are those of golang-migrate, which sends the file as one query.
func TestApply_FileWithTransactions_KeepsThem(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, sql, query, want string }{
		{"statements after a COMMIT are one transaction", "BEGIN; CREATE TABLE a (b int); COMMIT;\nLOCK TABLE a; INSERT INTO a VALUES (1);", "SELECT sum(b) FROM a", "1"},
		{"statements before a BEGIN belong to it", "CREATE TABLE a (b int);\nLOCK TABLE a;\nBEGIN; INSERT INTO a VALUES (1); COMMIT;", "SELECT sum(b) FROM a", "1"},
		{"a temporary table on commit", "BEGIN; CREATE TABLE a (b int); COMMIT;\nCREATE TEMP TABLE x ON COMMIT DROP AS SELECT 1 AS b;\nINSERT INTO a SELECT b FROM x;", "SELECT sum(b) FROM a", "1"},
		{"ROLLBACK rolls back earlier statements", "CREATE TABLE a (b int);\nROLLBACK;\nCREATE TABLE c (d int);", "SELECT string_agg(relname, ' ') FROM pg_class WHERE relname IN ('a', 'c')", "c"},
		{"AND CHAIN", "BEGIN; CREATE TABLE a (b int); COMMIT AND CHAIN; INSERT INTO a VALUES (1); COMMIT;", "SELECT sum(b) FROM a", "1"},
		{"a procedure that commits", "DO $$ BEGIN CREATE TABLE a (b int); COMMIT; INSERT INTO a VALUES (1); END $$", "SELECT sum(b) FROM a", "1"},
		{"read only", "CREATE TABLE a (b int); COMMIT; BEGIN READ ONLY; SELECT 1; COMMIT;", "SELECT to_regclass('a')", "a"},
		{"only read only", "BEGIN TRANSACTION READ ONLY; SELECT 1; COMMIT;", "SELECT 1", "1"},
		{"a SET before the first migration names the version table", "SET lock_timeout = '5s';\nCOMMENT ON TABLE schema_migrations IS 'x';", "SELECT obj_description('schema_migrations'::regclass)", "x"},
		{"the first migration names the version table", "COMMENT ON TABLE schema_migrations IS 'x'", "SELECT obj_description('schema_migrations'::regclass)", "x"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := pgtest.New(t)
			db := openSession(t, d)
			if fail := applySQL(t, db, c.sql); fail != nil {
				require.NoError(t, fail)
			}
			assert.Equal(t, c.want, d.Value(t, c.query))
			assert.Equal(t, "1 false", d.Value(t, "SELECT version || ' ' || dirty FROM schema_migrations"))
		})
	}
}

func TestApply_StatementByStatementFails_ReportsOutcome(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, sql string
		outcome   migrationerror.Outcome
		done      int
		line      int
		state     history.State
	}{
		{"at the first", "CREATE INDEX CONCURRENTLY i ON nowhere (b);", migrationerror.RolledBack, 0, 1, noVersion},
		{"at the second", "CREATE TABLE a (b int);\nCREATE INDEX CONCURRENTLY i ON a (nope);\nSELECT 1;", migrationerror.PartiallyApplied, 1, 2, history.State{Version: 1, Dirty: true}},
		{"a block that committed", "-- shiplock:no-transaction\nDO $$ BEGIN CREATE TABLE a (b int); COMMIT; RAISE 'x'; END $$", migrationerror.Unknown, 0, 2, history.State{Version: 1, Dirty: true}},
		{"the same without the directive", "DO $$ BEGIN CREATE TABLE a (b int); COMMIT; RAISE 'x'; END $$", migrationerror.Unknown, 0, 1, history.State{Version: 1, Dirty: true}},
		{"within its own first transaction", "BEGIN; CREATE TABLE a (b int);\nSELECT nope; COMMIT; VACUUM;", migrationerror.RolledBack, 0, 2, noVersion},
		{"within its second transaction", "BEGIN; CREATE TABLE a (b int); COMMIT;\nBEGIN; CREATE TABLE c (d int);\nSELECT nope; COMMIT;", migrationerror.PartiallyApplied, 3, 3, history.State{Version: 1, Dirty: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := pgtest.New(t)
			db := openSession(t, d)
			fail := applySQL(t, db, c.sql)
			require.NotNil(t, fail)
			assert.Equal(t, c.outcome, fail.Outcome)
			assert.Equal(t, c.done, fail.StatementsApplied)
			line, _ := fail.Position()
			assert.Equal(t, c.line, line)
			st, err := db.store.State(t.Context())
			require.NoError(t, err)
			assert.Equal(t, c.state, st)
			assert.Equal(t, "false", sessionValue(t, db, "SELECT (pg_current_xact_id_if_assigned() IS NOT NULL)::text"), "no transaction stays open")
		})
	}
}

func TestApply_LockReleasedByFile_IsDetected(t *testing.T) {
	t.Parallel()
	for _, release := range []string{"SELECT pg_advisory_unlock_all();", "DISCARD ALL;"} {
		d := pgtest.New(t)
		db, other := openSession(t, d), openSession(t, d)
		locker := acquireLock(t, db)
		require.Nil(t, applySQL(t, db, release), "no other session has the lock: it is taken again")
		var locked *lock.LockedError
		_, err := lock.Acquire(t.Context(), other.store, lock.Options{})
		require.ErrorAs(t, err, &locked)
		require.NoError(t, locker.Unlock(t.Context()))
		_, err = lock.Acquire(t.Context(), other.store, lock.Options{})
		require.NoError(t, err, "Unlock releases the lock completely")

		// As if the first session still held the lock.
		fail := applySQL(t, db, "CREATE TABLE a (b int); SELECT pg_advisory_unlock_all();")
		require.NotNil(t, fail)
		assert.ErrorIs(t, fail, lock.ErrLost)
		assert.Equal(t, migrationerror.RolledBack, fail.Outcome)
		assert.Empty(t, d.Value(t, "SELECT to_regclass('a')::text"))
	}
}

func TestApply_InvalidIndex_IsRebuilt(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	db := openSession(t, d)
	d.Open(t) // keeps the owner's pool apart from the admin's
	for _, q := range []string{`CREATE TABLE "A b" (c int)`, `INSERT INTO "A b" VALUES (1), (1)`} {
		require.NoError(t, db.session.Exec(t.Context(), q))
	}
	const build = `CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS "I x" ON "A b" (c)`
	fail := applySQL(t, db, build)
	require.NotNil(t, fail)
	assert.Equal(t, migrationerror.RolledBack, fail.Outcome)
	require.Error(t, db.session.Exec(t.Context(), build), "golang-migrate would fail here")
	assert.Equal(t, "false", d.Value(t, `SELECT indisvalid FROM pg_index WHERE indexrelid = '"I x"'::regclass`), "PostgreSQL leaves an invalid index")
	require.NoError(t, db.session.Exec(t.Context(), `DELETE FROM "A b"`))
	require.Nil(t, applySQL(t, db, build))
	assert.Equal(t, "true", d.Value(t, `SELECT indisvalid FROM pg_index WHERE indexrelid = '"I x"'::regclass`))
}

func TestApply_FileSetsRole_IsReset(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	d.Exec(t, `CREATE ROLE "other role"`)
	t.Cleanup(func() { d.Exec(t, `DROP OWNED BY "other role"; DROP ROLE "other role"`) })
	d.Exec(t, `GRANT "other role" TO "`+d.User+`"; GRANT ALL ON SCHEMA public TO "other role"`)
	db := openSession(t, d)
	require.Nil(t, applySQL(t, db, `SET ROLE "other role"; CREATE TABLE a (b int)`))
	assert.Equal(t, d.User, sessionValue(t, db, "SELECT current_user"))
	assert.Equal(t, d.User, d.Value(t, "SELECT tableowner FROM pg_tables WHERE tablename = 'schema_migrations'"))
	assert.Equal(t, "other role", d.Value(t, "SELECT tableowner FROM pg_tables WHERE tablename = 'a'"))
}

func TestApply_Canceled_CancelsStatement(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	db := openSession(t, d)
	const sleeping = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%pg_sleep(60)%' AND pid <> pg_backend_pid() AND state = 'active'"
	cause := assert.AnError
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	go func() {
		fixture.Eventually(t, d, sleeping, "1")
		cancel(cause)
	}()
	script, err := script.ParseScript([]byte("CREATE TABLE a (b int); SELECT pg_sleep(60);"))
	require.NoError(t, err)
	start := time.Now()
	fail := db.Apply(ctx, Migration{Script: script, From: noVersion, To: versionOne, Entry: history.Entry{Version: 1, Name: "x", Direction: "up"}})
	require.NotNil(t, fail)
	assert.ErrorIs(t, fail, cause)
	assert.Equal(t, migrationerror.RolledBack, fail.Outcome)
	assert.Less(t, time.Since(start), 45*time.Second, "it does not wait for the statement")
	fixture.EventuallyWithin(t, 30*time.Second, d, sleeping, "0")
	assert.Empty(t, d.Value(t, "SELECT to_regclass('a')::text"))
}

func TestApply_ConnectionLost_IsReported(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	db := openSession(t, d)
	fail := applySQL(t, db, "CREATE TABLE a (b int); SELECT pg_terminate_backend(pg_backend_pid());")
	require.NotNil(t, fail)
	var lost *postgres.LostError
	require.ErrorAs(t, fail, &lost)
	assert.Equal(t, migrationerror.RolledBack, fail.Outcome)
	assert.Empty(t, d.Value(t, "SELECT to_regclass('a')::text"))
}

func TestApply_QuotedTableName_IsAccepted(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	d.Exec(t, fmt.Sprintf(`CREATE SCHEMA "My Schema" AUTHORIZATION %q`, d.User))
	store := teststore.OpenWith(t, teststore.Options(t, d.URL()), history.Options{Table: `My Schema.x"; DROP TABLE users; --`})
	require.Nil(t, applySQL(t, New(store, unlocked{}), "CREATE TABLE users (a int)"))
	assert.Equal(t, "1", d.Value(t, `SELECT version FROM "My Schema"."x""; DROP TABLE users; --"`))
	st, err := store.State(t.Context())
	require.NoError(t, err)
	assert.Equal(t, versionOne, st)
}
