package cli_test

import (
	"context"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lib/pq"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/cli"
	"github.com/shiplock/shiplock/internal/test/fixture"
	"github.com/shiplock/shiplock/internal/test/pgtest"
)

const recursiveTrigger = `CREATE TABLE guests (id int);
CREATE FUNCTION again() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO guests VALUES (NEW.id + 1);
  RETURN NEW;
END $$;
CREATE TRIGGER again BEFORE INSERT ON guests FOR EACH ROW EXECUTE FUNCTION again();
INSERT INTO guests VALUES (1);
`

// TestUp_LongError_Reported covers errors above the limit of lib/pq, 30,000 bytes.
func TestUp_LongError_Reported(t *testing.T) {
	t.Parallel()
	certificate, key := newAuthority(t, "a CA").issue(t, time.Now().Add(time.Hour))
	encrypted := pgtest.New(t).Encrypted(t, certificate, key)
	for _, c := range []struct{ name, file, code, want string }{
		{"recursive trigger", recursiveTrigger, "54001", "stack depth limit exceeded"},
		{"message", "DO $$ BEGIN RAISE EXCEPTION '%', 'begin ' || repeat('é', 100000) || ' end'; END $$;", "P0001", "begin"},
		{"detail and hint", "DO $$ BEGIN RAISE EXCEPTION 'short' USING DETAIL = repeat('d', 40000), HINT = repeat('h', 40000), ERRCODE = '22023'; END $$;", "22023", "short"},
		{"notices before it", "DO $$ BEGIN RAISE NOTICE '%', repeat('n', 50000); RAISE WARNING '%', repeat('w', 50000); RAISE division_by_zero USING DETAIL = repeat('d', 31000); END $$;", "22012", "division_by_zero"},
		{"megabytes", "DO $$ BEGIN RAISE EXCEPTION 'big' USING DETAIL = repeat('d', 8000000); END $$;", "P0001", "big"},
	} {
		for _, tls := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s tls=%t", c.name, tls), func(t *testing.T) {
				d := encrypted
				if !tls {
					t.Parallel()
					d = pgtest.New(t)
				}
				url := strings.Replace(d.URL(), "sslmode=disable", "sslmode="+map[bool]string{true: "require", false: "disable"}[tls], 1)
				out := call(t.Context(), "up", "--source", fixture.FileMap(t, map[string]string{"1_a.up.sql": c.file}), "--database-url", url)
				assert.Equal(t, 6, out.code, out.err)
				assert.Contains(t, out.err, c.want)
				assert.Contains(t, out.err, "SQLSTATE "+c.code)
				assert.NotContains(t, out.err, "connection to database")
				assert.Contains(t, out.err, "1_a.up.sql, line ")
				if c.name == "recursive trigger" && !tls {
					golden(t, "stack-depth", out.err)
				}
			})
		}
	}
}

// TestUp_TransactionTimeoutOfFile_Failed expects no retry: the file would reach its own limit again.
func TestUp_TransactionTimeoutOfFile_Failed(t *testing.T) {
	t.Parallel()
	d := pgtest.Version(t, 17)
	dir := fixture.FileMap(t, map[string]string{"1_a.up.sql": "CREATE TABLE a (n int);", "2_b.up.sql": "SET LOCAL transaction_timeout = '100ms';\nCREATE TABLE b (n int);\nSELECT pg_sleep(600);\n"})
	out := call(t.Context(), "up", "--source", dir, "--database-url", d.URL())
	assert.Equal(t, 6, out.code, out.err)
	golden(t, "transaction-timeout", out.err)
	assert.Equal(t, "1", d.Value(t, "SELECT version FROM schema_migrations"))
}

// TestUp_TimeoutsOfRole_WaitsNotTerminated waits for the lock, for a table, and for a long migration,
// under a role with short idle timeouts.
func TestUp_TimeoutsOfRole_WaitsNotTerminated(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"direct", "session", "transaction"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			d := pgtest.Version(t, 17)
			if mode != "direct" {
				d = pgtest.New(t) // PgBouncer connects to the default server
			}
			w := &workspace{Database: d, t: t, dir: fixture.FileMap(t, map[string]string{
				"1_a.up.sql": "CREATE TABLE a (n int);", "2_b.up.sql": "LOCK TABLE held;\nCREATE TABLE b (n int);", "3_c.up.sql": "SELECT pg_sleep(0.5);\nCREATE TABLE c (n int);",
			})}
			w.Exec(t, "CREATE TABLE held (n int); GRANT ALL ON held TO PUBLIC")
			settings := []string{"idle_in_transaction_session_timeout"}
			if mode == "direct" {
				settings = append(settings, "idle_session_timeout", "transaction_timeout")
			} else if mode == "session" {
				settings = append(settings, "idle_session_timeout")
			}
			for _, s := range settings {
				w.Exec(t, fmt.Sprintf("ALTER ROLE %s SET %s = '2s'", pq.QuoteIdentifier(w.User), s))
			}
			there := *w.Database
			if mode != "direct" {
				there = *w.Pooled(t, mode, "default_pool_size=5")
			}
			tx, err := w.Admin().Begin()
			require.NoError(t, err)
			_, err = tx.Exec("LOCK TABLE held")
			require.NoError(t, err)
			var log, other fixture.Log
			codes := make(chan int, 2)
			up := func(to *fixture.Log, more ...string) {
				args := append([]string{"up", "--source", w.dir, "--database-url", there.URL()}, more...)
				codes <- cli.Program{Stdout: to, Stderr: to}.Run(context.WithoutCancel(t.Context()), args)
			}
			go up(&log, "--lock-timeout", "300ms")
			fixture.Eventually(t, w.Database, "SELECT (to_regclass('a') IS NOT NULL)::text", "true")
			go up(&other, "--lock-wait", "2m")
			// Both runs have waited longer than each timeout.
			log.Wait(t, "", "attempt", "4")
			require.NoError(t, tx.Rollback())
			for range 2 {
				assert.Zero(t, <-codes, "%s\n%s", &log, &other)
			}
			assert.Equal(t, "3", w.Value(t, "SELECT version FROM schema_migrations"))
		})
	}
}

// TestUp_FatalError_MessageReported checks that the report contains the message that the server sent
// before it closed the connection.
func TestUp_FatalError_MessageReported(t *testing.T) {
	t.Parallel()
	sleeping := func(d *pgtest.Database) string {
		return fmt.Sprintf("SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND query LIKE '%%pg_sleep(600)%%' AND wait_event = 'PgSleep'", pq.QuoteLiteral(d.Name))
	}
	files := map[string]string{"1_a.up.sql": "CREATE TABLE a (n int);\nSELECT pg_sleep(600);"}
	run := func(t *testing.T, d *pgtest.Database, then func()) outcome {
		dir := fixture.FileMap(t, files)
		done := make(chan outcome, 1)
		go func() {
			done <- call(context.WithoutCancel(t.Context()), "up", "--source", dir, "--database-url", d.URL(), "--wait-for-db", "30s")
		}()
		fixture.Eventually(t, d, sleeping(d), "1")
		then()
		return <-done
	}
	t.Run("database does not accept connections", func(t *testing.T) {
		t.Parallel()
		d := pgtest.New(t).OwnServer(t)
		out := run(t, d, func() {
			admin := d.Open(t) // a separate connection to the same database
			_, err := admin.Exec("ALTER DATABASE " + pq.QuoteIdentifier(d.Name) + " CONNECTION LIMIT 0")
			require.NoError(t, err)
			d.Exec(t, fmt.Sprintf(`UPDATE pg_database SET datallowconn = false WHERE datname = %s`, pq.QuoteLiteral(d.Name)))
			d.Exec(t, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND query LIKE '%pg_sleep(600)%'")
		})
		assert.Equal(t, 2, out.code, out.err)
		assert.Contains(t, out.err, "terminating connection due to administrator command (SQLSTATE 57P01)")
		assert.Contains(t, out.err, "is not currently accepting connections")
	})
	t.Run("crash of another backend", func(t *testing.T) {
		t.Parallel()
		d := pgtest.New(t).OwnServer(t)
		out := run(t, d, func() {
			conn, err := d.Open(t).Conn(t.Context())
			require.NoError(t, err)
			var pid int
			require.NoError(t, conn.QueryRowContext(t.Context(), "SELECT pg_backend_pid()").Scan(&pid))
			require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
		})
		assert.Equal(t, 3, out.code, out.err)
		golden(t, "server-crash", out.err)
	})
}
