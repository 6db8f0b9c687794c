package cli_test

import (
	"fmt"
	"testing"

	"github.com/lib/pq"
	"github.com/stretchr/testify/assert"

	"github.com/shiplock/shiplock/internal/test/fixture"
	"github.com/shiplock/shiplock/internal/test/pgtest"
)

// TestUp_StatementOnPartitionedTable_RunsOutsideTransaction uses statements whose text does not show
// that they cannot run in a transaction. The file already has the no-transaction directive.
func TestUp_StatementOnPartitionedTable_RunsOutsideTransaction(t *testing.T) {
	t.Parallel()
	const table = "CREATE TABLE p (id int PRIMARY KEY) PARTITION BY RANGE (id);\nCREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10);\nCREATE TABLE log (n int);"
	for name, statement := range map[string]string{
		"table": "REINDEX TABLE p;", "index": "REINDEX INDEX p_pkey;", "cluster": "CLUSTER p USING p_pkey;", "options": "REINDEX (VERBOSE) TABLE p;",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if name == "cluster" && pgtest.Major(t) < 15 {
				t.Skip("before PostgreSQL 15 a partitioned table cannot be clustered")
			}
			w := newWorkspace(t, map[string]string{"1_p.up.sql": table, "2_x.up.sql": "-- shiplock:no-transaction\nINSERT INTO log VALUES (1);\n" + statement + "\nINSERT INTO log VALUES (2);\nSELECT 1/n FROM (SELECT 0 AS n) x;\n"})
			w.mustExit(7, "up")
			assert.Equal(t, "3/4", w.Value(t, "SELECT statements_applied || '/' || statements_total FROM schema_migrations_history WHERE migration_version = 2"))
			w.write("2_x.up.sql", "-- shiplock:no-transaction\nINSERT INTO log VALUES (1);\n"+statement+"\nINSERT INTO log VALUES (2);\nSELECT 1;\n")
			w.mustExit(0, "up")
			assert.Equal(t, "1 2", w.Value(t, "SELECT string_agg(n::text, ' ' ORDER BY n) FROM log"), "each statement ran once")
		})
	}
}

func TestUp_TransactionRefusedWithDirective_AdviceNamesTransactionBlock(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t, map[string]string{
		"1_p.up.sql": "CREATE TABLE p (id int PRIMARY KEY) PARTITION BY RANGE (id);",
		"2_x.up.sql": "-- shiplock:no-transaction\nSELECT 1;\nBEGIN;\nREINDEX TABLE p;\nCOMMIT;\n",
	})
	out := w.run("up")
	assert.Contains(t, out.err, "SQLSTATE 25001")
	assert.NotContains(t, out.err, "add the line")
	assert.Contains(t, out.err, "out of BEGIN and COMMIT")
	golden(t, "transaction-refused-again", out.err)

	w = newWorkspace(t, map[string]string{"1_p.up.sql": "CREATE TABLE p (id int PRIMARY KEY) PARTITION BY RANGE (id);", "2_x.up.sql": "SELECT 1;\nREINDEX TABLE p;\n"})
	assert.Contains(t, w.mustExit(6, "up").err, "add the line `-- shiplock:no-transaction`")
}

func TestUp_TooManyLocks_NamesTheSetting(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t).OwnServer(t, "max_locks_per_transaction = 10", "max_connections = 20")
	dir := fixture.FileMap(t, map[string]string{"1_a.up.sql": "SELECT count(pg_advisory_xact_lock(n)) FROM generate_series(1, 100000) n;"})
	out := call(t.Context(), "up", "--source", dir, "--database-url", d.URL())
	assert.Equal(t, 6, out.code, out.err)
	golden(t, "too-many-locks", out.err)
	assert.NotContains(t, out.err, "add memory")
}

func TestUp_MembershipWithoutSetOption_AdviceGrantsIt(t *testing.T) {
	t.Parallel()
	d := pgtest.Version(t, 17)
	role := d.Name + " deploys"
	r, user := pq.QuoteIdentifier(role), pq.QuoteIdentifier(d.User)
	d.Exec(t, fmt.Sprintf("CREATE ROLE %[1]s; GRANT %[1]s TO %[2]s WITH SET FALSE; GRANT ALL ON SCHEMA public TO %[1]s", r, user))
	t.Cleanup(func() { d.Exec(t, fmt.Sprintf("DROP OWNED BY %[1]s; DROP ROLE %[1]s", r)) })
	dir := fixture.FileMap(t, map[string]string{"1_a.up.sql": "CREATE TABLE a (n int);"})
	up := func() outcome {
		return call(t.Context(), "up", "--role", role, "--source", dir, "--database-url", d.URL())
	}
	out := up()
	assert.Equal(t, 2, out.code, out.err)
	advice := fmt.Sprintf("GRANT %s TO %s WITH SET TRUE;", r, user)
	golden(t, "role-without-set", out.err)
	d.Exec(t, advice) // the advice resolves the error
	out = up()
	assert.Zero(t, out.code, out.err)
}

func TestStatus_NoSelectPrivilege_AdviceGrantsSelect(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t, map[string]string{"1_a.up.sql": "CREATE TABLE a (n int);"})
	w.mustExit(0, "up")
	user := pq.QuoteIdentifier(w.User)
	w.Exec(t, fmt.Sprintf("ALTER TABLE schema_migrations OWNER TO postgres; ALTER TABLE schema_migrations_history OWNER TO postgres; REVOKE ALL ON schema_migrations, schema_migrations_history FROM %s", user))
	for _, args := range [][]string{{"status", "--source", w.dir}, {"plan", "--source", w.dir}, {"history"}} {
		out := call(t.Context(), append(args, "--database-url", w.URL())...)
		assert.Equal(t, 2, out.code, out.err)
		assert.Contains(t, unwrapped(out.err), "GRANT SELECT ON ")
		assert.NotContains(t, out.err, "OWNER TO")
	}
	w.Exec(t, fmt.Sprintf("GRANT SELECT ON schema_migrations TO %[1]s; GRANT SELECT ON schema_migrations_history TO %[1]s", user))
	w.mustExit(0, "status")
}

func TestUp_StatementTimeout_ReportNamesSource(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		file, why, next string
		url             string
		role            bool
		flag            []string
	}{
		"file":                {file: "SET LOCAL statement_timeout = '100ms';\nSELECT pg_sleep(600);", why: "set in the file: SET LOCAL statement_timeout = '100ms'", next: "statement_timeout in 1_a.up.sql"},
		"file overrides flag": {file: "SET statement_timeout = '100ms';\nSELECT pg_sleep(600);", why: "set in the file", next: "statement_timeout in 1_a.up.sql", flag: []string{"--statement-timeout", "1h"}},
		"role":                {file: "SELECT pg_sleep(600);", why: "set by: user", next: "ALTER ROLE", role: true},
		"flag overrides role": {file: "SELECT pg_sleep(600);", why: "--statement-timeout is 100ms", next: "--statement-timeout", role: true, flag: []string{"--statement-timeout", "100ms"}},
		"url":                 {file: "SELECT pg_sleep(600);", why: "set by: client (database URL", next: "--statement-timeout", url: "&statement_timeout=2000"},
		"reset in the file":   {file: "SET statement_timeout = '1h';\nRESET statement_timeout;\nSELECT pg_sleep(600);", why: "set by: user", next: "ALTER ROLE", role: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorkspace(t, map[string]string{"1_a.up.sql": c.file})
			if c.role {
				w.Exec(t, fmt.Sprintf("ALTER ROLE %s SET statement_timeout = '2s'", pq.QuoteIdentifier(w.User)))
			}
			out := call(t.Context(), append([]string{"up", "--source", w.dir, "--database-url", w.URL() + c.url}, c.flag...)...)
			assert.Equal(t, 6, out.code, out.err)
			assert.Contains(t, unwrapped(out.err), c.why)
			assert.Contains(t, unwrapped(out.err), c.next)
		})
	}
}

// TestUp_RowSecurityHidesDuplicates_Reported covers an index that includes rows hidden from the role.
func TestUp_RowSecurityHidesDuplicates_Reported(t *testing.T) {
	t.Parallel()
	const table = "CREATE TABLE guests (id int PRIMARY KEY, mail text, shop int);\nINSERT INTO guests SELECT n, 'a@b', n FROM generate_series(1, 3) n;\n" +
		"ALTER TABLE guests ENABLE ROW LEVEL SECURITY;\nALTER TABLE guests FORCE ROW LEVEL SECURITY;\n"
	for name, c := range map[string]struct{ policy, want string }{
		"all hidden": {"", "no row in guests that is visible to role"},
		"some":       {"CREATE POLICY p ON guests USING (id < 3);", "hides rows from role"},
	} {
		for kind, statement := range map[string]string{"index": "CREATE UNIQUE INDEX ON guests (mail);", "constraint": "ALTER TABLE guests ADD CONSTRAINT u UNIQUE (mail);"} {
			t.Run(name+" "+kind, func(t *testing.T) {
				t.Parallel()
				w := newWorkspace(t, map[string]string{"1_a.up.sql": table + c.policy, "2_b.up.sql": "SELECT 1;\n" + statement})
				out := w.mustExit(6, "up")
				assert.Contains(t, unwrapped(out.err), c.want)
				assert.Contains(t, unwrapped(out.err), "BYPASSRLS")
				assert.NotContains(t, unwrapped(out.err), "written by earlier statements")
			})
		}
	}
}
