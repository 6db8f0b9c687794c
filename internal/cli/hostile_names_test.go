package cli_test

import (
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lib/pq"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/test/fixture"
	"github.com/shiplock/shiplock/internal/test/pgtest"
)

// hostileNames would end a statement, a literal, or a line if they were not quoted.
var hostileNames = map[string]string{
	"statement": `x"; DROP TABLE victim; --`,
	"literal":   `x'; DROP TABLE victim; --`,
	"backslash": `\'; DROP TABLE victim; --\`,
	"dollar":    `$1$$; DROP TABLE victim; --$2`,
	"line":      "x\n; DROP TABLE victim;\n\\c\nshiplock: all is well",
	"comment":   `*/ DROP TABLE victim; /*`,
	"escape":    "x\x1b[2J\x07\u202eevil\u2028",
	"unicode":   "Ünïcödé 表 🚢",
	"capital":   `MiXed "Case"`,
	"percent":   `%s%d%[1]s $(id) ${HOME} {{x}}`,
	"space":     "  ",
}

// newHostileDatabase returns a database in which the role, the user, the schema, and the version table have
// the given name.
func newHostileDatabase(t *testing.T, name string) (d *pgtest.Database, flags []string) {
	t.Helper()
	d = pgtest.New(t)
	d.Exec(t, "CREATE TABLE victim AS SELECT 1 AS n")
	long := func(s string, n int) string { return s + strings.Repeat("y", max(0, n-len(s))) }
	user, role, schema := long(name, 62)+"u", long(name, 62)+"r", long(name, 63)
	table := name
	if name == "  " {
		table = long(name, 50)
	}
	q := pq.QuoteIdentifier
	d.Exec(t, fmt.Sprintf("CREATE ROLE %s LOGIN NOINHERIT PASSWORD %s; CREATE ROLE %s NOLOGIN; GRANT %[3]s TO %[1]s; CREATE SCHEMA %[4]s AUTHORIZATION %[3]s; GRANT ALL ON SCHEMA public TO %[3]s",
		q(user), pq.QuoteLiteral(d.Password), q(role), q(schema)))
	t.Cleanup(func() {
		d.Exec(t, fmt.Sprintf("DROP OWNED BY %s, %s CASCADE; DROP ROLE %[1]s, %[2]s", q(user), q(role)))
	})
	there := url.URL{Scheme: "postgres", User: url.UserPassword(user, d.Password), Host: fmt.Sprintf("%s:%d", d.Host, d.Port), Path: "/" + d.Name, RawQuery: "sslmode=disable"}
	return d, []string{"--database-url", there.String(), "--role", role, "--table", schema + "." + table, "--log-level", "debug"}
}

// TestCommands_HostileNames_Quoted runs each command with each name.
func TestCommands_HostileNames_Quoted(t *testing.T) {
	t.Parallel()
	for kind, name := range hostileNames {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			d, flags := newHostileDatabase(t, name)
			dir := fixture.FileMap(t, map[string]string{
				"1_a.up.sql": "CREATE TABLE a (n int);", "1_a.down.sql": "DROP TABLE a;",
				"2_b.up.sql": "-- shiplock:no-transaction\nCREATE TABLE b (n int);\nCREATE INDEX CONCURRENTLY ON b (n);\nSELECT 1 / (SELECT n FROM zero);", "2_b.down.sql": "DROP TABLE b;",
			})
			d.Exec(t, "CREATE TABLE zero AS SELECT 0 AS n; GRANT SELECT ON zero TO PUBLIC")
			run := func(code int, args ...string) outcome {
				t.Helper()
				out := call(t.Context(), append(args, append([]string{"--source", dir}, flags...)...)...)
				require.Equal(t, code, out.code, "%v: %s", args, out.err)
				assertHarmless(t, out)
				return out
			}
			run(0, "status")
			run(0, "plan")
			run(7, "up")
			run(0, "status")
			run(5, "repair", "--statement-not-applied")
			d.Exec(t, "UPDATE zero SET n = 1")
			run(0, "up", "--tx-mode", "file")
			run(0, "wait", "--timeout", "1m")
			run(0, "up", "--tx-mode", "all")
			run(0, "down", "--to", "0")
			run(5, "repair", "--applied")
			out := call(t.Context(), append([]string{"history"}, flags...)...)
			require.Zero(t, out.code, out.err)
			assertHarmless(t, out)
			without := []string{}
			for i := 0; i < len(flags); i += 2 {
				if flags[i] != "--role" {
					without = append(without, flags[i:i+2]...)
				}
			}
			out = call(t.Context(), append(append([]string{"exec"}, without...), "--", "true")...)
			assert.Zero(t, out.code, out.err)
			assertHarmless(t, out)
			assert.Equal(t, "1", d.Value(t, "SELECT n FROM victim"))
			assert.Equal(t, "2", d.Value(t, "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND relkind = 'r'", schemaOf(flags)))
		})
	}
}

func schemaOf(flags []string) string {
	for i := range flags {
		if flags[i] == "--table" {
			schema, _, _ := strings.Cut(flags[i+1], ".")
			return schema
		}
	}
	return ""
}

// assertHarmless checks that the output contains no control characters and no injected lines.
func assertHarmless(t *testing.T, out outcome) {
	t.Helper()
	for _, text := range []string{out.stdout, out.err} {
		for _, bad := range []string{"\x1b", "\x07", "\u202e", "\u2028", "\nshiplock: all is well", "\n; DROP"} {
			assert.NotContains(t, text, bad)
		}
	}
}

// TestCommands_HostileDatabaseName_Quoted covers the database name, which the advisory lock key is
// computed from.
func TestCommands_HostileDatabaseName_Quoted(t *testing.T) {
	t.Parallel()
	for kind, name := range hostileNames {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			d := pgtest.New(t)
			q := pq.QuoteIdentifier
			database := name + d.Name
			d.Exec(t, fmt.Sprintf("CREATE DATABASE %s OWNER %s", q(database), q(d.User)))
			t.Cleanup(func() { d.Exec(t, fmt.Sprintf("DROP DATABASE %s WITH (FORCE)", q(database))) })
			dir := fixture.FileMap(t, map[string]string{"1_a.up.sql": "CREATE TABLE a (n int);", "1_a.down.sql": "DROP TABLE a;"})
			there := url.URL{Scheme: "postgres", User: url.UserPassword(d.User, d.Password), Host: fmt.Sprintf("%s:%d", d.Host, d.Port), Path: "/" + database, RawQuery: "sslmode=disable"}
			if strings.Contains(database, "/") || strings.HasPrefix(name, "$1") { // use the URL parameter instead of the path
				there.Path, there.RawQuery = "/", "sslmode=disable&dbname="+url.QueryEscape(database)
			}
			for _, args := range [][]string{{"status"}, {"plan"}, {"up"}, {"up"}, {"wait"}, {"status", "-o", "json"}, {"down", "--to", "0"}} {
				out := call(t.Context(), append(args, "--source", dir, "--database-url", there.String(), "--log-level", "debug")...)
				assert.Zero(t, out.code, "%v: %s", args, out.err)
				assertHarmless(t, out)
			}
			out := call(t.Context(), "exec", "--database-url", there.String(), "--", filepath.Join("/bin", "true"))
			assert.Zero(t, out.code, out.err)
			assertHarmless(t, out)
		})
	}
}
