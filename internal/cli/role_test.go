package cli_test

import (
	"fmt"
	"testing"

	"github.com/lib/pq"
	"github.com/stretchr/testify/assert"

	"github.com/shiplock/shiplock/internal/test/pgtest"
)

// createOwner creates a role that owns the database and its schema. The database's user is a member
// without inheriting its privileges.
func createOwner(t *testing.T, d *pgtest.Database, role string) {
	t.Helper()
	user, owner := pq.QuoteIdentifier(d.User), pq.QuoteIdentifier(role)
	d.Exec(t, fmt.Sprintf(`CREATE ROLE %[2]s NOLOGIN; ALTER ROLE %[1]s NOINHERIT; GRANT %[2]s TO %[1]s;
		ALTER DATABASE %[3]s OWNER TO %[2]s; REVOKE ALL ON SCHEMA public FROM %[1]s, PUBLIC; GRANT ALL ON SCHEMA public TO %[2]s`, user, owner, pq.QuoteIdentifier(d.Name)))
	t.Cleanup(func() {
		d.Exec(t, fmt.Sprintf("ALTER DATABASE %s OWNER TO postgres; REASSIGN OWNED BY %[2]s TO postgres; DROP OWNED BY %[2]s; DROP ROLE %[2]s", pq.QuoteIdentifier(d.Name), owner))
	})
}

func tableOwners(t *testing.T, d *pgtest.Database) string {
	t.Helper()
	return d.Value(t, "SELECT string_agg(relname || ' ' || pg_get_userbyid(relowner), ', ' ORDER BY relname) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'")
}

func TestRole_Granted_OwnsObjects(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"", "session", "transaction"} {
		t.Run("pooler "+mode, func(t *testing.T) {
			t.Parallel()
			w := newWorkspace(t, map[string]string{
				"1_a.up.sql": "CREATE TABLE a (n int);", "1_a.down.sql": "DROP TABLE a;",
				"2_b.up.sql": "SET ROLE NONE;\nSET SESSION search_path = '';\nRESET ROLE;", "2_b.down.sql": "",
				"3_c.up.sql": "CREATE TABLE c (n int);\nINSERT INTO a VALUES (1);", "3_c.down.sql": "DROP TABLE c;",
			})
			role := w.Name + " app"
			createOwner(t, w.Database, role)
			there := *w.Database
			if mode != "" {
				there = *w.Pooled(t, mode, "default_pool_size=5")
			} else {
				w.write("4_d.up.sql", "-- shiplock:no-transaction\nCREATE TABLE d (n int);\nCREATE INDEX CONCURRENTLY ON d (n);\nINSERT INTO d VALUES (1);")
				w.write("4_d.down.sql", "DROP TABLE d;")
			}
			run := func(args ...string) outcome {
				return call(t.Context(), append(args, "--source", w.dir, "--database-url", there.URL())...)
			}
			assert.Equal(t, 2, run("up").code, "the user must have no privileges of its own")
			out := run("up", "--role", role)
			assert.Zero(t, out.code, out.err)
			for _, owner := range []string{"a", "c", "schema_migrations", "schema_migrations_history"} {
				assert.Contains(t, tableOwners(t, w.Database), owner+" "+role)
			}
			assert.NotContains(t, tableOwners(t, w.Database), w.User)
			if mode == "" {
				assert.Contains(t, tableOwners(t, w.Database), "d "+role)
			}
			for _, command := range []string{"status", "plan", "wait"} {
				assert.NotZero(t, run(command, "--timeout", "2s").code, command)
				out := run(command, "--timeout", "1m", "--role", role)
				assert.Zero(t, out.code, out.err)
			}
			assert.Equal(t, w.User, w.Value(t, "SELECT string_agg(DISTINCT database_user, ' ') FROM schema_migrations_history"))
			assert.Equal(t, role, w.Value(t, "SELECT string_agg(DISTINCT database_role, ' ') FROM schema_migrations_history"))
			out = run("repair", "--applied", "--role", role)
			assert.Contains(t, out.err, "nothing to repair")
			out = run("down", "--to", "1", "--allow-data-loss", "--role", role)
			assert.Zero(t, out.code, out.err)
			if mode == "transaction" { // the next client of the pool must not have the role
				db := there.Open(t)
				for range 10 {
					var user string
					assert.NoError(t, db.QueryRow("SELECT current_user").Scan(&user))
					assert.Equal(t, w.User, user)
				}
			}
		})
	}
}

func TestRole_MissingOrNotGranted_Reported(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t, map[string]string{"1_a.up.sql": "SELECT 1"})
	role := w.Name + ` "app"`
	for _, mode := range []string{"", "session", "transaction"} {
		there := *w.Database
		if mode != "" {
			there = *w.Pooled(t, mode)
		}
		out := call(t.Context(), "up", "--role", role, "--source", w.dir, "--database-url", there.URL())
		assert.Equal(t, 2, out.code, out.err)
		if mode == "" {
			golden(t, "role-missing", out.err)
		}
		assert.Contains(t, out.err, `CREATE ROLE "`+w.Name+` ""app"""`, "also through a pooler")
	}
	w.Exec(t, "CREATE ROLE "+pq.QuoteIdentifier(role))
	t.Cleanup(func() { w.Exec(t, "DROP ROLE "+pq.QuoteIdentifier(role)) })
	for _, mode := range []string{"", "session", "transaction"} {
		there := *w.Database
		if mode != "" {
			there = *w.Pooled(t, mode)
		}
		for _, command := range []string{"up", "status", "plan", "wait"} {
			out := call(t.Context(), command, "--role", role, "--source", w.dir, "--database-url", there.URL())
			assert.Equal(t, 2, out.code, out.err)
			if command == "up" && mode == "" {
				golden(t, "role-not-granted", out.err)
			}
			set := ""
			if w.Major(t) >= 16 { // a membership may lack the SET option
				set = " WITH SET TRUE"
			}
			assert.Contains(t, out.err, fmt.Sprintf(`as a superuser: GRANT "%s ""app""" TO "%s"%s;`, w.Name, w.User, set))
		}
	}
	out := call(t.Context(), "exec", "--role", role, "--database-url", w.URL(), "--", "true")
	assert.Equal(t, 2, out.code)
	golden(t, "role-exec", out.err)
}
