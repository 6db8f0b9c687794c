package diagnose_test

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/diagnose"
	"github.com/shiplock/shiplock/internal/executor"
	"github.com/shiplock/shiplock/internal/history"
	"github.com/shiplock/shiplock/internal/lock"
	"github.com/shiplock/shiplock/internal/migrationerror"
	"github.com/shiplock/shiplock/internal/source"
	"github.com/shiplock/shiplock/internal/test/pgtest"
	"github.com/shiplock/shiplock/internal/test/teststore"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// failMigration runs a migration that fails, and explains the failure.
func failMigration(t *testing.T, store *history.Store, sql string) *migrationerror.Error {
	t.Helper()
	locker, err := lock.Acquire(t.Context(), store, lock.Options{})
	require.NoError(t, err)
	require.NoError(t, locker.Release(t.Context()))
	var fail *migrationerror.Error
	require.ErrorAs(t, apply(t, store, locker, sql), &fail)
	diagnose.Explain(t.Context(), store, fail, nil)
	require.NoError(t, locker.Unlock(t.Context()))
	return fail
}

// apply runs SQL as the migration to version 1.
func apply(t *testing.T, store *history.Store, locker lock.Locker, sql string) error {
	t.Helper()
	open := func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(sql)), nil }
	_, _, err := executor.New(store, locker).Run(t.Context(), []executor.Migration{{File: "1_x.up.sql", Open: open, From: history.State{Version: -1}, To: history.State{Version: 1}, Entry: history.Entry{Version: 1, Name: "x", Direction: source.Up}}}, false)
	return err
}

func TestDiagnose_ConstraintViolation_ReportsRows(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, prepare, sql, why, see string }{
		{"names with quotes", `CREATE TABLE "a""; DROP TABLE b; --" ("key'x" int PRIMARY KEY, "$1" int); INSERT INTO "a""; DROP TABLE b; --" VALUES (1, NULL)`,
			`ALTER TABLE "a""; DROP TABLE b; --" ALTER COLUMN "$1" SET NOT NULL`,
			`1 row in "a""; DROP TABLE b; --" violates NOT NULL on "$1": "key'x" = 1`, `SELECT * FROM "a""; DROP TABLE b; --" AS t WHERE t."$1" IS NULL;`},
		{"no primary key", "CREATE TABLE a (b int); INSERT INTO a VALUES (1), (-1)", "ALTER TABLE a ADD CHECK (b > 0)", "1 row in a violates CHECK (b > 0)", "SELECT * FROM a AS t WHERE NOT (b > 0);"},
		{"two columns", "CREATE TABLE a (b int, c text, d int, PRIMARY KEY (b, c)); INSERT INTO a SELECT n, 'x', 0 FROM generate_series(1, 9) n", "ALTER TABLE a ADD CONSTRAINT p CHECK (d <> 0)",
			"9 rows in a violate CHECK (d <> 0): (b, c) = (1,x), (2,x), (3,x), (4,x), (5,x) …", "SELECT * FROM a AS t WHERE NOT (d <> 0);"},
		{"more rows than are counted", "CREATE TABLE a (b int); INSERT INTO a SELECT FROM generate_series(1, 20000)", "ALTER TABLE a ALTER b SET NOT NULL", "more than 10000 rows in a violate NOT NULL on b", "SELECT * FROM a AS t WHERE t.b IS NULL;"},
		{"a reserved word", `CREATE TABLE "order" (id int PRIMARY KEY, "user" int); INSERT INTO "order" VALUES (1, 1)`, `CREATE TABLE "group" (id int PRIMARY KEY); ALTER TABLE "order" ADD FOREIGN KEY ("user") REFERENCES "group"`, "", ""},
		{"foreign key of two columns", "CREATE TABLE p (a int, b int, PRIMARY KEY (a, b)); CREATE TABLE f (id int PRIMARY KEY, a int, b int); INSERT INTO f VALUES (1, 1, 1), (2, NULL, 1)", "ALTER TABLE f ADD FOREIGN KEY (a, b) REFERENCES p",
			"1 row in f violates the foreign key to p: id = 1", "SELECT * FROM f AS t WHERE t.a IS NOT NULL AND t.b IS NOT NULL AND NOT EXISTS (SELECT FROM p AS o WHERE o.a = t.a AND o.b = t.b);"},
		{"partial index", "CREATE TABLE a (b int, gone bool); INSERT INTO a VALUES (1, false), (1, false), (2, true), (2, true), (NULL, false), (NULL, false)", "CREATE UNIQUE INDEX i ON a (b) WHERE NOT gone",
			"a contains 1 duplicate value of (b): 1 (2 rows)", "SELECT b, count(*) FROM a AS t WHERE (b) IS NOT NULL AND (NOT gone) GROUP BY b HAVING count(*) > 1;"},
		{"a long value", "CREATE TABLE a (b text); INSERT INTO a SELECT repeat('x', 1000) FROM generate_series(1, 2)", "ALTER TABLE a ADD UNIQUE (b)",
			"a contains 1 duplicate value of (b): " + strings.Repeat("x", 60) + " (2 rows)", "SELECT b, count(*) FROM a AS t WHERE b IS NOT NULL GROUP BY b HAVING count(*) > 1;"},
		{"rows written by the migration", "CREATE TABLE a (b int)", "INSERT INTO a VALUES (-1); ALTER TABLE a ADD CHECK (b > 0)", "no row in a violates the constraint after the rollback; the rows were written by earlier statements of this migration", ""},
		{"column added by the migration", "CREATE TABLE a (b int); INSERT INTO a VALUES (1)", "ALTER TABLE a ADD COLUMN c int; ALTER TABLE a ALTER c SET NOT NULL", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := pgtest.New(t)
			d.Exec(t, "CREATE TABLE b (c int)")
			execAsOwner(t, d, c.prepare)
			fail := failMigration(t, teststore.Open(t, d), c.sql)
			if c.why == "" {
				assert.Empty(t, fail.Reason.Causes)
				return
			}
			require.NotEmpty(t, fail.Reason.Causes, fail)
			assert.Equal(t, c.why, fail.Reason.Causes[0])
			assert.Equal(t, c.see, fail.Reason.Query)
			if c.see != "" {
				_, err := d.Admin().Exec(c.see)
				assert.NoError(t, err, "the suggested query runs")
			}
			assert.Equal(t, "b", d.Value(t, "SELECT to_regclass('b')"))
		})
	}
}

// execAsOwner runs SQL as the database's owner.
func execAsOwner(t *testing.T, d *pgtest.Database, sql string) {
	t.Helper()
	_, err := d.Open(t).Exec(sql)
	require.NoError(t, err)
}

func TestDiagnose_PermissionDenied_SuggestsGrant(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ prepare, sql string }{
		{"CREATE TABLE secret (a int)", "SELECT * FROM secret"},
		{"CREATE TABLE secret (a int)", "INSERT INTO secret VALUES (1)"},
		{"CREATE TABLE secret (a int)", "DELETE FROM secret"},
		{"CREATE TABLE secret (a int)", "TRUNCATE secret"},
		{"CREATE TABLE secret (a int PRIMARY KEY)", "CREATE TABLE mine (a int REFERENCES secret)"},
		{`CREATE TABLE "My ""Secret" (a int)`, `SELECT * FROM "My ""Secret"`},
		{"CREATE SEQUENCE secret", "SELECT nextval('secret')"},
		{"CREATE VIEW secret AS SELECT 1 AS a", "SELECT * FROM secret"},
		{`CREATE SCHEMA "Other one"`, `CREATE TABLE "Other one".x (a int)`},
		{`CREATE SCHEMA other; CREATE TABLE other.x (a int); GRANT SELECT ON other.x TO PUBLIC`, `SELECT * FROM other.x`},
		{"CREATE TABLE secret (a int)", "ALTER TABLE secret ADD b int"},
	} {
		t.Run(c.sql, func(t *testing.T) {
			t.Parallel()
			d := pgtest.New(t)
			d.Exec(t, c.prepare)
			db := teststore.Open(t, d)
			fail := failMigration(t, db, c.sql)
			require.NotEmpty(t, fail.Reason.Fix, "%v", fail.Server().Message)
			assert.NotEmpty(t, fail.Reason.FixRole)
			d.Exec(t, fail.Reason.Fix)
			locker, err := lock.Acquire(t.Context(), db, lock.Options{})
			require.NoError(t, err)
			require.NoError(t, apply(t, db, locker, c.sql), "succeeds after %s", fail.Reason.Fix)
		})
	}
}

// The condition is slow to evaluate.
func TestDiagnose_SlowCondition_EndsInTime(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	execAsOwner(t, d, `CREATE TABLE a (b int); INSERT INTO a SELECT n FROM generate_series(1, 1000) n;
		CREATE FUNCTION slow(int) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN IF $1 = 1 AND current_setting('transaction_read_only') = 'off' THEN RETURN false; END IF; PERFORM pg_sleep(60); RETURN true; END $$`)
	db := teststore.Open(t, d)
	began := time.Now()
	fail := failMigration(t, db, "ALTER TABLE a ADD CHECK (slow(b))")
	assert.Less(t, time.Since(began), 30*time.Second)
	assert.Empty(t, fail.Reason.Causes)
	assert.Equal(t, "23514", string(fail.Server().Code))
	st, err := db.State(t.Context())
	require.NoError(t, err, "the session is usable")
	assert.Equal(t, history.State{Version: history.NoVersion}, st)
}

// The diagnosis runs in a transaction, which must end.
func TestDiagnose_TransactionPooler_LeavesNoOpenTransaction(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	execAsOwner(t, d, "CREATE TABLE a (b int PRIMARY KEY); INSERT INTO a VALUES (-1)")
	db := teststore.Open(t, d.Pooled(t, "transaction", "default_pool_size = 3"))
	fail := failMigration(t, db, "ALTER TABLE a ADD CHECK (b > 0)")
	assert.Equal(t, []string{"1 row in a violates CHECK (b > 0): b = -1"}, fail.Reason.Causes)
	assert.Equal(t, "0", d.Value(t, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%'"))
}
