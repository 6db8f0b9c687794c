package bench

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/test/fixture"
	"github.com/shiplock/shiplock/internal/test/pgtest"
	"github.com/shiplock/shiplock/internal/test/program"
)

// A migration is a migration in no specific format.
type migration struct {
	up, down string
	// alone reports whether the statement cannot run in a transaction.
	alone bool
}

// A tool is a migration tool.
type tool struct {
	program.MigrationTool
	// command returns the command that applies the migrations of a folder; that of MigrationTool if it is nil.
	command func(dir string, d *pgtest.Database) *exec.Cmd
	// hasVersionTable reports whether the tool records applied migrations; psql does not.
	hasVersionTable bool
}

func (tl *tool) up(dir string, d *pgtest.Database) *exec.Cmd {
	if tl.command != nil {
		return tl.command(dir, d)
	}
	cmd := exec.Command(tl.Path, tl.Up(dir, d.URL())...)
	cmd.Env = append(os.Environ(), tl.Env(d.URL())...)
	return cmd
}

// folder writes migrations in the tool's format and returns their folder.
func (tl *tool) folder(t *testing.T, all []migration) string {
	t.Helper()
	dir, err := os.MkdirTemp("", tl.Name) // the name of t.TempDir may have a "#", which ends golang-migrate's path
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	tl.add(t, dir, all, 1)
	return dir
}

func (tl *tool) add(t *testing.T, dir string, all []migration, first int) {
	t.Helper()
	for i, m := range all {
		for name, text := range tl.Files(program.Migration{Version: first + i, Up: m.up, Down: m.down, NoTransaction: m.alone}) {
			fixture.Write(t, dir, name, text)
		}
	}
}

// tools returns all compared tools, Shiplock first.
var tools = func() func(t *testing.T) []*tool {
	var once sync.Once
	var all []*tool
	return func(t *testing.T) []*tool {
		once.Do(func() {
			for _, m := range []program.MigrationTool{program.Shiplock(t, binaries.migrator), program.GolangMigrate(t), program.Goose(t), program.Tern(t)} {
				all = append(all, &tool{MigrationTool: m, hasVersionTable: true})
			}
			all = append(all, psql(t))
		})
		require.Len(t, all, 5, "an earlier test has the error of a tool")
		return all
	}
}()

// peers returns the tools with a version table, Shiplock first.
func peers(t *testing.T) []*tool { return tools(t)[:4] }

// psql returns psql as a tool: one process that runs each file in a transaction, without version table,
// history or lock. It shows the server's own limit.
func psql(t *testing.T) *tool {
	path, err := exec.LookPath("psql")
	require.NoError(t, err, "on Debian: apt-get install postgresql-client")
	return &tool{
		MigrationTool: program.MigrationTool{
			Name: "psql", Version: strings.Fields(program.LastLine(t, path, "--version"))[2], Path: path,
			Files: func(m program.Migration) map[string]string {
				text := "BEGIN;\n" + m.Up + "COMMIT;\n"
				if m.NoTransaction {
					text = m.Up
				}
				return map[string]string{fmt.Sprintf("%05d_x.sql", m.Version): text}
			},
		},
		command: func(dir string, d *pgtest.Database) *exec.Cmd {
			files, _ := filepath.Glob(filepath.Join(dir, "*.sql")) // the pattern is valid
			args := []string{"--no-psqlrc", "--quiet", "-v", "ON_ERROR_STOP=1"}
			for _, f := range files {
				args = append(args, "-f", f)
			}
			cmd := exec.Command(path, args...)
			cmd.Env = append(os.Environ(), "PGHOST="+d.Host, fmt.Sprint("PGPORT=", d.Port), "PGUSER="+d.User, "PGPASSWORD="+d.Password, "PGDATABASE="+d.Name, "PGSSLMODE=disable")
			return cmd
		},
	}
}

// smallMigrations returns n migrations of one small table each.
func smallMigrations(n int) []migration {
	var out []migration
	for i := range n {
		out = append(out, migration{
			up:   fmt.Sprintf("CREATE TABLE bench_%d (id bigint PRIMARY KEY, name text NOT NULL);\n", i),
			down: fmt.Sprintf("DROP TABLE bench_%d;\n", i),
		})
	}
	return out
}

// checkTables checks that the tables of smallMigrations exist.
func checkTables(t *testing.T, d *pgtest.Database, n int, tool string) {
	t.Helper()
	require.Equal(t, fmt.Sprint(n), d.Value(t, `SELECT count(*) FROM pg_class WHERE relname LIKE 'bench\_%' AND relkind = 'r'`), tool)
}
