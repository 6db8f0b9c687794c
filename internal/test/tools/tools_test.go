package tools

import (
	"bytes"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/test/pgtest"
)

// tools are the external tools. Each runs the files of testdata/FILES.txtar, which create the table
// guests with two rows. The files of missing/ then use a table that does not exist, and those of
// bad/ instead add a unique constraint that the rows violate.
var tools = []struct {
	name, files string
	find        func(testing.TB) string
	// command is the tool's command line, where TOOL stands for the path that find returns.
	command []string
	env     func(t *testing.T, d *pgtest.Database) []string
	// resolve is the command that removes the tool's mark of a failure.
	resolve string
	// stopped is the same command after the tool was stopped.
	stopped string
	// code is the exit code of the bad migration: 6, or 7 if the tool leaves changes behind.
	code int
}{
	{name: "npm", files: "node-pg-migrate", find: debianProgram("npm"), command: []string{"npm", "run", "--silent", "migrate"}, code: 6},
	{name: "yarn", files: "node-pg-migrate", find: debianProgram("node"), command: []string{"node_modules/.bin/yarn", "--silent", "migrate"}, code: 6},
	{name: "alembic", find: debianProgram("alembic"), command: []string{"alembic", "upgrade", "head"}, code: 6},
	{name: "django", find: debianProgram("/usr/bin/python3"), command: []string{"TOOL", "manage.py", "migrate", "--no-color"}, code: 6},
	{name: "goose", find: goTool("goose"), command: []string{"TOOL", "up"}, code: 6,
		env: func(_ *testing.T, d *pgtest.Database) []string {
			return []string{"GOOSE_DRIVER=postgres", "GOOSE_DBSTRING=" + d.URL(), "GOOSE_MIGRATION_DIR=migrations"}
		}},
	{name: "tern", find: goTool("tern"), command: []string{"sh", "-c", `exec TOOL migrate --migrations migrations --conn-string "$DATABASE_URL"`}, code: 6},
	{name: "golang-migrate", find: goTool("golang-migrate"), command: []string{"sh", "-c", `exec TOOL -path migrations -database "$DATABASE_URL" up`}, code: 6, resolve: "migrate force 3", stopped: "migrate force 3"},
	{name: "liquibase", find: liquibase, command: []string{"sh", "-c", `exec TOOL --changeLogFile=changelog.sql --url="$JDBC_URL" --username="$DB_USER" --password="$DB_PASSWORD" update`}, code: 6, stopped: "liquibase release-locks",
		env: func(t *testing.T, d *pgtest.Database) []string {
			d.Exec(t, fmt.Sprintf("ALTER ROLE %q PASSWORD 'plain-s3cret'", d.User)) // liquibase's command line interprets backslashes
			d.Password = "plain-s3cret"
			return []string{fmt.Sprintf("JDBC_URL=jdbc:postgresql://%s:%d/%s", d.Host, d.Port, url.PathEscape(d.Name)), "DB_USER=" + d.User, "DB_PASSWORD=" + d.Password}
		}},
	{name: "psql", find: debianProgram("psql"), command: []string{"sh", "-ec", `for f in migrations/*.sql; do psql -qX -v ON_ERROR_STOP=1 -1 "$DATABASE_URL" -f "$f"; done`}, code: 6},
}

// liquibase returns the command line of the Java program in the npm package liquibase.
func liquibase(t testing.TB) string {
	debianProgram("java")(t)
	dist := filepath.Join(nodeModules(t), "liquibase", "dist")
	return "java -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -cp " + strings.Join([]string{
		filepath.Join(dist, "liquibase", "liquibase.jar"), filepath.Join(dist, "liquibase", "lib", "*"), filepath.Join(dist, "drivers", "postgresql-42.2.8.jar"),
	}, ":") + " liquibase.integration.commandline.LiquibaseCommandLine"
}

// A fixture is a folder with a tool's files, and a database.
type fixture struct {
	*pgtest.Database
	t       *testing.T
	dir     string
	command []string
	env     []string
}

func (b *fixture) writeFiles(archive *txtar.Archive, under string) {
	b.t.Helper()
	for _, f := range archive.Files {
		folder, name, _ := strings.Cut(f.Name, "/")
		if folder != "bad" && folder != "missing" {
			folder, name = "", f.Name
		}
		if folder != under {
			continue
		}
		path := filepath.Join(b.dir, name)
		require.NoError(b.t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(b.t, os.WriteFile(path, f.Data, 0o600))
	}
}

// exec runs the tool with migrator exec.
func (b *fixture) exec() (code int, output string) {
	cmd, out := b.start()
	err := cmd.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode(), out.String()
	}
	if err != nil {
		return -1, err.Error()
	}
	return 0, out.String()
}

// start starts the tool with migrator exec. The output is complete when the command has ended.
func (b *fixture) start() (*exec.Cmd, *bytes.Buffer) {
	cmd := exec.Command(binary, append([]string{"exec", "--lock-wait", "5m", "--"}, b.command...)...)
	out := &bytes.Buffer{}
	cmd.Dir, cmd.Stdout, cmd.Stderr = b.dir, out, out
	cmd.Env = append(os.Environ(), append(b.env, "DATABASE_URL="+b.URL(),
		"PGHOST="+b.Host, fmt.Sprintf("PGPORT=%d", b.Port), "PGUSER="+b.User, "PGPASSWORD="+b.Password, "PGDATABASE="+b.Name)...)
	assert.NoError(b.t, cmd.Start())
	return cmd, out
}

func (b *fixture) execWithCode(code int) string {
	b.t.Helper()
	got, output := b.exec()
	require.Equal(b.t, code, got, output)
	return output
}

func TestExec_EachTool(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: external tools, which hack/setup.sh tools installs")
	}
	for _, tool := range tools {
		t.Run(tool.name, func(t *testing.T) {
			t.Parallel()
			if tool.files == "" {
				tool.files = tool.name
			}
			archive, err := txtar.ParseFile(filepath.Join("testdata", tool.files+".txtar"))
			require.NoError(t, err)
			b := &fixture{Database: pgtest.New(t), t: t, dir: t.TempDir()}
			found := tool.find(t)
			for _, word := range tool.command {
				b.command = append(b.command, strings.ReplaceAll(word, "TOOL", found))
			}
			if tool.env != nil {
				b.env = tool.env(t, b.Database)
			}
			b.writeFiles(archive, "")
			if tool.files == "node-pg-migrate" {
				require.NoError(t, os.Symlink(nodeModules(t), filepath.Join(b.dir, "node_modules")))
			}
			b.checkMigrate()
			b.writeFiles(archive, "missing")
			assert.Contains(t, b.checkFailure(tool.code, "relation \"no_such_table\" does not exist"), tool.resolve)
			b.remove(archive, "missing")
			b.resetVersion(tool.resolve)
			b.writeFiles(archive, "bad")
			b.checkFailure(tool.code, "guests_email_key")
			b.remove(archive, "bad")
			b.resetVersion(tool.resolve)
			b.writeFiles(withSlowStatement(archive), "missing")
			assert.Contains(t, b.checkStop(), tool.stopped)
		})
	}
}

// checkMigrate starts the tool twice at the same time. Each migration runs once, and both runs
// succeed, also if the tool itself does not lock.
func (b *fixture) checkMigrate() {
	b.t.Helper()
	var all sync.WaitGroup
	for range 2 {
		all.Go(func() {
			code, output := b.exec()
			assert.Zero(b.t, code, output)
		})
	}
	all.Wait()
	assert.Equal(b.t, "2", b.Value(b.t, "SELECT count(*) FROM guests"))
	b.execWithCode(0)
	assert.Equal(b.t, "succeeded 0 3", b.Value(b.t, "SELECT string_agg(DISTINCT run_outcome || ' ' || run_exit_code, ', ') || ' ' || count(*) FROM schema_migrations_exec_history"))
	assert.Contains(b.t, b.Value(b.t, "SELECT schema_changes FROM schema_migrations_exec_history ORDER BY run_id LIMIT 1"), "added table public.guests")
	assert.Equal(b.t, "true", b.Value(b.t, "SELECT schema_before = schema_after FROM schema_migrations_exec_history ORDER BY run_id DESC LIMIT 1"))
}

// remove removes the files that writeFiles wrote.
func (b *fixture) remove(archive *txtar.Archive, under string) {
	b.t.Helper()
	for _, f := range archive.Files {
		if name, in := strings.CutPrefix(f.Name, under+"/"); in {
			require.NoError(b.t, os.Remove(filepath.Join(b.dir, name)))
		}
	}
}

// checkFailure runs a migration that fails, checks that the failure report has the reason, and returns the report.
func (b *fixture) checkFailure(code int, reason string) (report string) {
	b.t.Helper()
	output := b.execWithCode(code)
	_, report, found := strings.Cut(output, "\nshiplock: ")
	require.True(b.t, found, output)
	report = strings.Join(strings.Fields(report), " ")
	assert.Contains(b.t, report, reason, "the reason is in the report")
	assert.NotContains(b.t, report, b.Password)
	assert.Equal(b.t, "failed", b.Value(b.t, "SELECT run_outcome FROM schema_migrations_exec_history ORDER BY run_id DESC LIMIT 1"))
	return report
}

// resetVersion removes golang-migrate's dirty flag, as migrate force does.
func (b *fixture) resetVersion(resolve string) {
	if strings.HasPrefix(resolve, "migrate force") {
		b.Exec(b.t, "UPDATE schema_migrations SET version = 2, dirty = false")
	}
}

// slowStatement is a statement that does not end by itself.
const slowStatement = "SELECT pg_sleep(3600)"

// withSlowStatement returns the archive with slow migrations instead of failing ones.
func withSlowStatement(archive *txtar.Archive) *txtar.Archive {
	out := &txtar.Archive{}
	for _, f := range archive.Files {
		f.Data = bytes.ReplaceAll(f.Data, []byte("INSERT INTO no_such_table VALUES (1)"), []byte(slowStatement))
		out.Files = append(out.Files, f)
	}
	return out
}

// checkStop stops the migrator while the tool's statement runs, checks that the statement has ended, and returns the
// failure report.
func (b *fixture) checkStop() (report string) {
	b.t.Helper()
	const running = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' AND query LIKE '%" + slowStatement + "%' AND pid <> pg_backend_pid()"
	cmd, out := b.start()
	require.Eventually(b.t, func() bool { return b.Value(b.t, running) == "1" }, 5*time.Minute, 50*time.Millisecond, out)
	require.NoError(b.t, cmd.Process.Signal(syscall.SIGTERM))
	_ = cmd.Wait()
	assert.Equal(b.t, 143, cmd.ProcessState.ExitCode(), out)
	assert.Equal(b.t, "0", b.Value(b.t, running), out)
	_, report, _ = strings.Cut(out.String(), "\nshiplock: ")
	assert.Contains(b.t, report, "; the schema is unchanged")
	return strings.Join(strings.Fields(report), " ")
}
