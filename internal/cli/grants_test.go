package cli_test

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/lib/pq"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/test/fixture"
	"github.com/shiplock/shiplock/internal/test/pgtest"
)

// grants returns the SQL blocks of docs/background/security.md, keyed by the name in the comment before
// each block.
func grants(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "background", "security.md"))
	require.NoError(t, err)
	out := map[string]string{}
	for _, m := range regexp.MustCompile("(?s)<!-- grants: ([a-z ]+) -->\n```sql\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		out[m[1]] = m[2]
	}
	return out
}

// A documentedDatabase is the database that the documentation uses.
type documentedDatabase struct {
	*pgtest.Database
	t     *testing.T
	dir   string
	roles []string
}

// grant runs a SQL block of the documentation and sets a password for each role that can log in.
func (s *documentedDatabase) grant(sql string) {
	s.t.Helper()
	s.Exec(s.t, sql)
	for _, m := range regexp.MustCompile(`CREATE ROLE (\w+) (NO)?LOGIN`).FindAllStringSubmatch(sql, -1) {
		s.roles = append(s.roles, m[1])
		s.Exec(s.t, fmt.Sprintf("ALTER ROLE %s PASSWORD %s", m[1], pq.QuoteLiteral(s.Password)))
	}
}

// as returns the database with another user.
func (s *documentedDatabase) as(role string) *pgtest.Database {
	there := *s.Database
	there.User = role
	return &there
}

func (s *documentedDatabase) run(role string, args ...string) outcome {
	there := s.as(role)
	u := url.URL{Scheme: "postgres", User: url.UserPassword(role, there.Password), Host: fmt.Sprintf("%s:%d", there.Host, there.Port), Path: "/shop", RawQuery: "sslmode=disable"}
	flags := []string{"--database-url", u.String()}
	if args[0] == "exec" {
		return call(s.t.Context(), append(append([]string{"exec"}, flags...), args[1:]...)...)
	}
	return call(s.t.Context(), append(args, append(flags, "--source", s.dir)...)...)
}

func (s *documentedDatabase) mustRun(role string, args ...string) outcome {
	s.t.Helper()
	out := s.run(role, args...)
	require.Zero(s.t, out.code, "%s: %s", role, out.err)
	return out
}

// denied checks that the role lacks the privilege for each statement.
func (s *documentedDatabase) denied(role string, statements ...string) {
	s.t.Helper()
	db := s.as(role).Open(s.t)
	for _, sql := range statements {
		_, err := db.Exec(sql)
		assert.NotNil(s.t, pq.As(err, "42501"), "%s: %s: %v", role, sql, err)
	}
	assert.NoError(s.t, db.Close())
}

// TestGrants_DocumentedRoles_Suffice runs the statements of docs/background/security.md, and then the
// command with the role that they create. It also checks that the role has no other privileges.
func TestGrants_DocumentedRoles_Suffice(t *testing.T) { //nolint:tparallel // the roles' names are those of the docs
	blocks := grants(t)
	require.Len(t, blocks, 6)
	for _, server := range []string{"15", "14"} {
		for _, way := range []string{"migrate", "role"} {
			t.Run(way+" "+server, func(t *testing.T) {
				s := &documentedDatabase{Database: pgtest.Named(t, "shop"), t: t, dir: fixture.FileMap(t, map[string]string{
					"1_rooms.up.sql":   "CREATE TABLE rooms (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text);\nCREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1';",
					"1_rooms.down.sql": "DROP FUNCTION f;\nDROP TABLE rooms;",
					"2_index.up.sql":   "CREATE INDEX CONCURRENTLY ON rooms (name);", "2_index.down.sql": "DROP INDEX rooms_name_idx;",
				})}
				s.Exec(t, "REVOKE ALL ON SCHEMA public FROM "+pq.QuoteIdentifier(s.User))
				s.Exec(t, "ALTER DATABASE shop OWNER TO postgres; CREATE TABLE other (n int); CREATE SCHEMA others")
				if server == "14" {
					s.Exec(t, "GRANT CREATE ON SCHEMA public TO PUBLIC") // the default before PostgreSQL 15
				}
				t.Cleanup(func() {
					for _, role := range s.roles {
						s.Exec(t, fmt.Sprintf("DROP OWNED BY %s CASCADE", role))
					}
					for _, role := range s.roles {
						s.Exec(t, "DROP ROLE "+role)
					}
				})
				s.grant(blocks[way])
				role, flags := "shop_migrator", []string{}
				if way == "role" {
					role, flags = "shop_deployer", []string{"--role", "shop_owner"}
					assert.NotZero(t, s.run(role, "up").code, "the user must have no privileges without the role")
				}
				s.mustRun(role, append([]string{"up"}, flags...)...)
				s.mustRun(role, append([]string{"down", "--to", "0"}, flags...)...)
				s.mustRun(role, append([]string{"up"}, flags...)...)
				s.mustRun(role, append([]string{"status"}, flags...)...)
				s.denied(role, "CREATE ROLE x", "CREATE DATABASE x", "CREATE SCHEMA x", "SELECT * FROM other", "DROP TABLE other", "CREATE TABLE others.x ()",
					"ALTER DATABASE shop SET work_mem = '1MB'", "DROP SCHEMA public CASCADE", "SELECT pg_read_file('/etc/passwd')", "COPY (SELECT 1) TO PROGRAM 'true'")
				if way == "role" {
					s.denied(role, "CREATE TABLE x ()", "SELECT * FROM rooms")
				}
				s.wait(blocks["wait"])
				s.status(blocks["status"])
				s.exec(blocks["exec"])
			})
		}
	}
}

func (s *documentedDatabase) wait(sql string) {
	s.t.Helper()
	s.grant(sql)
	s.mustRun("shop_wait", "wait", "--timeout", "1m")
	s.denied("shop_wait", "INSERT INTO schema_migrations VALUES (9, false)", "UPDATE schema_migrations SET version = 9", "DELETE FROM schema_migrations", "TRUNCATE schema_migrations",
		"DO $$ BEGIN LOCK TABLE schema_migrations IN ACCESS EXCLUSIVE MODE; END $$", "SELECT * FROM schema_migrations_history", "SELECT * FROM rooms", "CREATE TABLE x ()", "DROP TABLE schema_migrations", "CREATE SCHEMA x")
	out := s.run("shop_wait", "up")
	assert.Empty(s.t, out.records("", "file", ""), "the role of the wait container must not migrate")
}

func (s *documentedDatabase) status(sql string) {
	s.t.Helper()
	s.grant(sql)
	assert.Contains(s.t, s.mustRun("shop_status", "status").stdout, "applied")
	s.mustRun("shop_status", "plan")
	s.mustRun("shop_status", "wait", "--timeout", "1m")
	s.denied("shop_status", "UPDATE schema_migrations SET version = 9", "DELETE FROM schema_migrations_history", "UPDATE schema_migrations_history SET run_outcome = 'x'",
		"INSERT INTO schema_migrations_history (migration_version) VALUES (1)", "SELECT * FROM rooms", "CREATE TABLE x ()")
}

func (s *documentedDatabase) exec(sql string) {
	s.t.Helper()
	short := strings.Replace(sql, "GRANT USAGE, CREATE ON SCHEMA public TO shop_exec;\n", "", 1)
	require.NotEqual(s.t, sql, short)
	s.grant(short)
	assert.NotEmpty(s.t, s.mustRun("shop_exec", "exec", "--", "true").records("", "level", "WARN", "schema", "public", "role", "shop_exec"))
	s.denied("shop_exec", "CREATE TABLE x ()", "SELECT * FROM rooms", "SELECT * FROM schema_migrations", "DROP TABLE rooms")
	s.Exec(s.t, strings.Replace(sql, "CREATE ROLE shop_exec LOGIN;\n", "", 1))
	s.mustRun("shop_exec", "exec", "--", "true")
	assert.Equal(s.t, "1", s.Value(s.t, "SELECT count(*) FROM schema_migrations_exec_history WHERE run_outcome = 'succeeded' AND database_user = 'shop_exec'"))
	s.denied("shop_exec", "SELECT * FROM rooms", "SELECT * FROM schema_migrations", "DROP TABLE rooms", "CREATE SCHEMA x")
}

// TestUp_RoleAddedLater_OwnershipGrantsSuffice changes the owner of a migrated database with the
// statements of the documentation.
func TestUp_RoleAddedLater_OwnershipGrantsSuffice(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t, map[string]string{"1_a.up.sql": "CREATE TABLE a (n int)"})
	w.mustExit(0, "up")
	role := strings.ReplaceAll(w.Name, " ", "_") + "_owner"
	createOwner(t, w.Database, role)
	w.write("2_b.up.sql", "CREATE TABLE b (n int)")
	out := w.mustExit(2, "up", "--role", role)
	golden(t, "role-comes-later", out.err)
	w.Exec(t, strings.ReplaceAll(grants(t)["ownership"], "shop_owner", role))
	w.mustExit(0, "up", "--role", role)
	assert.Contains(t, tableOwners(t, w.Database), "b "+role)
}
