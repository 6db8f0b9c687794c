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

	"github.com/shiplock/shiplock/internal/test/pgtest"
)

// A migration is a migration in no specific format.
type migration struct {
	up, down string
	// alone reports whether the statement cannot run in a transaction.
	alone bool
}

// A tool is a migration tool's command line.
type tool struct {
	name, version, path string
	// write returns the files of a migration in the tool's format, by name.
	write func(version int, m migration) map[string]string
	// command returns the command that applies the migrations of a folder.
	command func(tl *tool, dir string, d *pgtest.Database) *exec.Cmd
	// hasVersionTable reports whether the tool records applied migrations; psql does not.
	hasVersionTable bool
}

func (tl *tool) up(dir string, d *pgtest.Database) *exec.Cmd { return tl.command(tl, dir, d) }

// folder writes migrations in the tool's format and returns their folder.
func (tl *tool) folder(t *testing.T, all []migration) string {
	t.Helper()
	dir, err := os.MkdirTemp("", tl.name) // the name of t.TempDir may have a "#", which ends golang-migrate's path
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	tl.add(t, dir, all, 1)
	return dir
}

func (tl *tool) add(t *testing.T, dir string, all []migration, first int) {
	t.Helper()
	for i, m := range all {
		for name, text := range tl.write(first+i, m) {
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
		}
	}
}

// tools returns all compared tools, Shiplock first.
var tools = func() func(t *testing.T) []*tool {
	var once sync.Once
	var all []*tool
	return func(t *testing.T) []*tool {
		once.Do(func() { all = []*tool{shiplock(t), golangMigrate(t), goose(t), tern(t), psql(t)} })
		require.Len(t, all, 5, "an earlier test has the error of a tool")
		return all
	}
}()

// peers returns the tools with a version table, Shiplock first.
func peers(t *testing.T) []*tool { return tools(t)[:4] }

func shiplock(t *testing.T) *tool {
	return &tool{
		name: "shiplock", version: strings.Fields(commandOutput(t, binaries.migrator, "version"))[1], path: binaries.migrator, write: twoFiles, hasVersionTable: true,
		command: func(tl *tool, dir string, d *pgtest.Database) *exec.Cmd {
			cmd := exec.Command(tl.path, "up", "--source", dir)
			cmd.Env = append(os.Environ(), "DATABASE_URL="+d.URL())
			return cmd
		},
	}
}

func golangMigrate(t *testing.T) *tool {
	path := toolPath(t, "golang-migrate")
	return &tool{
		name: "golang-migrate", version: commandOutput(t, path, "-version"), path: path, write: twoFiles, hasVersionTable: true,
		command: func(tl *tool, dir string, d *pgtest.Database) *exec.Cmd {
			return exec.Command(tl.path, "-path", dir, "-database", d.URL(), "up")
		},
	}
}

func goose(t *testing.T) *tool {
	path := toolPath(t, "goose")
	return &tool{
		name: "goose", version: strings.TrimPrefix(commandOutput(t, path, "-version"), "goose version: "), path: path, hasVersionTable: true,
		write: func(version int, m migration) map[string]string {
			head := ""
			if m.alone {
				head = "-- +goose NO TRANSACTION\n"
			}
			return map[string]string{fmt.Sprintf("%05d_x.sql", version): head + "-- +goose Up\n" + m.up + "-- +goose Down\n" + m.down}
		},
		command: func(tl *tool, dir string, d *pgtest.Database) *exec.Cmd {
			return exec.Command(tl.path, "-dir", dir, "-env", "none", "postgres", d.URL(), "up")
		},
	}
}

func tern(t *testing.T) *tool {
	path := toolPath(t, "tern")
	return &tool{
		name: "tern", version: strings.TrimPrefix(commandOutput(t, path, "version"), "tern "), path: path, hasVersionTable: true,
		write: func(version int, m migration) map[string]string {
			head := ""
			if m.alone {
				head = "---- tern: disable-tx ----\n"
			}
			return map[string]string{fmt.Sprintf("%05d_x.sql", version): head + m.up + "---- create above / drop below ----\n" + m.down}
		},
		command: func(tl *tool, dir string, d *pgtest.Database) *exec.Cmd {
			return exec.Command(tl.path, "migrate", "--migrations", dir, "--conn-string", d.URL())
		},
	}
}

// psql returns psql as a tool: one process that runs each file in a transaction, without version table,
// history or lock. It shows the server's own limit.
func psql(t *testing.T) *tool {
	path, err := exec.LookPath("psql")
	require.NoError(t, err, "on Debian: apt-get install postgresql-client")
	return &tool{
		name: "psql", version: strings.Fields(commandOutput(t, path, "--version"))[2], path: path,
		write: func(version int, m migration) map[string]string {
			text := "BEGIN;\n" + m.up + "COMMIT;\n"
			if m.alone {
				text = m.up
			}
			return map[string]string{fmt.Sprintf("%05d_x.sql", version): text}
		},
		command: func(tl *tool, dir string, d *pgtest.Database) *exec.Cmd {
			files, _ := filepath.Glob(filepath.Join(dir, "*.sql")) // the pattern is valid
			args := []string{"--no-psqlrc", "--quiet", "-v", "ON_ERROR_STOP=1"}
			for _, f := range files {
				args = append(args, "-f", f)
			}
			cmd := exec.Command(tl.path, args...)
			cmd.Env = append(os.Environ(), "PGHOST="+d.Host, fmt.Sprint("PGPORT=", d.Port), "PGUSER="+d.User, "PGPASSWORD="+d.Password, "PGDATABASE="+d.Name, "PGSSLMODE=disable")
			return cmd
		},
	}
}

func twoFiles(version int, m migration) map[string]string {
	return map[string]string{fmt.Sprintf("%05d_x.up.sql", version): m.up, fmt.Sprintf("%05d_x.down.sql", version): m.down}
}

func toolPath(t *testing.T, name string) string {
	t.Helper()
	return commandOutput(t, filepath.Join("..", "tools", "install.sh"), name)
}

// small returns n migrations of one small table each.
func small(n int) []migration {
	var out []migration
	for i := range n {
		out = append(out, migration{
			up:   fmt.Sprintf("CREATE TABLE bench_%d (id bigint PRIMARY KEY, name text NOT NULL);\n", i),
			down: fmt.Sprintf("DROP TABLE bench_%d;\n", i),
		})
	}
	return out
}

// checkTables checks that the tables of small exist.
func checkTables(t *testing.T, d *pgtest.Database, n int, tool string) {
	t.Helper()
	require.Equal(t, fmt.Sprint(n), d.Value(t, `SELECT count(*) FROM pg_class WHERE relname LIKE 'bench\_%' AND relkind = 'r'`), tool)
}
