package tools

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
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

// A tool is an external tool. It runs the files of testdata/FILES.txtar, which create the table guests with two rows. The
// files under next/ add a migration that consists of the statement STATEMENT.
type tool struct {
	name, files string // files is the name if it is empty
	install     installation
	command     []string
	env         func(*fixture) []string
	// resolve is the command in the report of a failed migration, and stopped the one after the tool was stopped.
	resolve, stopped string
	// repair is the SQL that the command resolve runs.
	repair string
	// reason is what the tool prints for a violated constraint, if it is not PostgreSQL's message.
	reason string
	// staleLock reports whether the tool leaves its own lock when it is stopped.
	staleLock bool
	// refusesNewer reports whether the tool is known to fail if its table has a migration that it has no file for.
	refusesNewer bool
}

var tools = []tool{
	{name: "npm", files: "node-pg-migrate", install: debianNode("node-pg-migrate"), command: []string{"npm", "run", "--silent", "migrate"}},
	{name: "yarn", files: "node-pg-migrate", install: debianNode("node-pg-migrate"), command: []string{"node_modules/.bin/yarn", "--silent", "migrate"}},
	{name: "node-pg-migrate", install: node("npm"), command: []string{"node-pg-migrate", "up"}},
	{name: "prisma", install: prisma, command: []string{"prisma", "migrate", "deploy"}, resolve: "prisma migrate resolve", stopped: "prisma migrate resolve",
		repair: "UPDATE _prisma_migrations SET rolled_back_at = now() WHERE finished_at IS NULL"},
	{name: "drizzle", install: node("npm"), command: []string{"drizzle-kit", "migrate"}, reason: "applying migrations"},
	{name: "knex", refusesNewer: true, install: node("npm"), command: []string{"knex", "migrate:latest"}},
	{name: "typeorm", install: node("npm"), command: []string{"typeorm", "migration:run", "-d", "data-source.js"}},
	{name: "sequelize", install: node("npm"), command: []string{"sequelize", "db:migrate"}, reason: "Key (email)=(ana@example.com) is duplicated"},
	{name: "kysely", refusesNewer: true, install: node("npm"), command: []string{"kysely", "migrate:latest"}},
	{name: "dbmate", install: dbmate, command: []string{"dbmate", "--no-dump-schema", "migrate"}},
	{name: "alembic", refusesNewer: true, install: python, command: []string{"alembic", "upgrade", "head"}},
	{name: "django", install: python, command: []string{"python3", "manage.py", "migrate", "--no-color"}},
	{name: "rails", install: debian("rails"), command: []string{"ruby", "bin/rails", "db:migrate"},
		env: func(*fixture) []string { return []string{"RAILS_ENV=production", "SECRET_KEY_BASE=none"} }},
	{name: "sqitch", refusesNewer: true, install: debian("sqitch"), command: []string{"sqitch", "deploy", "db:pg:"}},
	{name: "flyway", install: flyway, command: inShell(`mvn -o -B -q -Dmaven.repo.local="$TOOL/repo" flyway:migrate`)},
	{name: "liquibase", install: liquibase, stopped: "liquibase release-locks", staleLock: true,
		command: inShell(`java -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -cp "$TOOL/jars/*" liquibase.integration.commandline.LiquibaseCommandLine --show-banner=false --changeLogFile=changelog.sql --url="$JDBC_URL" --username="$PGUSER" --password="$PGPASSWORD" update`)},
	{name: "goose", install: goTool("goose", "goose"), command: []string{"goose", "up"},
		env: func(b *fixture) []string {
			return []string{"GOOSE_DRIVER=postgres", "GOOSE_DBSTRING=" + b.URL(), "GOOSE_MIGRATION_DIR=migrations"}
		}},
	{name: "tern", install: goTool("tern", "tern"), command: inShell(`tern migrate --migrations migrations --conn-string "$DATABASE_URL"`)},
	{name: "golang-migrate", refusesNewer: true, install: goTool("golang-migrate", "migrate"), command: inShell(`migrate -path migrations -database "$DATABASE_URL" up`),
		resolve: "migrate force 3", stopped: "migrate force 3", repair: "UPDATE schema_migrations SET version = 2, dirty = false"},
	{name: "sqlx", refusesNewer: true, install: rust("sqlx"), command: []string{"sqlx", "migrate", "run"}},
	{name: "diesel", refusesNewer: true, install: rust("diesel"), command: []string{"diesel", "migration", "run"}},
	{name: "psql", install: debian("psql"), command: []string{"sh", "migrate.sh"}},
}

// A fixture is a folder with a tool's files, and a database.
type fixture struct {
	*pgtest.Database
	t       *testing.T
	tool    string // the folder in which the tool is installed
	dir     string
	archive *txtar.Archive
	command []string
	env     []string
	path    []string // folders of the tool's programs
}

func newFixture(t *testing.T, tool tool) *fixture {
	files := tool.files
	if files == "" {
		files = tool.name
	}
	archive, err := txtar.ParseFile(filepath.Join("testdata", files+".txtar"))
	require.NoError(t, err)
	b := &fixture{Database: pgtest.New(t), t: t, dir: t.TempDir(), archive: archive, command: tool.command}
	tool.install(b)
	if tool.env != nil {
		b.env = append(b.env, tool.env(b)...)
	}
	b.writeFiles()
	return b
}

// writeFiles writes the files without the next migration.
func (b *fixture) writeFiles() {
	b.t.Helper()
	for _, f := range b.archive.Files {
		if name, next := strings.CutPrefix(f.Name, "next/"); next {
			require.NoError(b.t, os.RemoveAll(filepath.Join(b.dir, name)))
		}
	}
	for _, f := range b.archive.Files {
		if !strings.HasPrefix(f.Name, "next/") {
			b.writeFile(f.Name, f.Data)
		}
	}
}

// writeNext adds the next migration.
func (b *fixture) writeNext(statement string) {
	b.t.Helper()
	for _, f := range b.archive.Files {
		if name, next := strings.CutPrefix(f.Name, "next/"); next {
			b.writeFile(name, bytes.ReplaceAll(f.Data, []byte("STATEMENT"), []byte(statement)))
		}
	}
}

func (b *fixture) writeFile(name string, data []byte) {
	b.t.Helper()
	path := filepath.Join(b.dir, name)
	require.NoError(b.t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(b.t, os.WriteFile(path, data, 0o600))
}

// exec runs the tool with migrator exec.
func (b *fixture) exec(flags ...string) (code int, output string) {
	cmd, out := b.start(flags...)
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
func (b *fixture) start(flags ...string) (*exec.Cmd, *bytes.Buffer) {
	cmd := exec.Command(binary, slices.Concat([]string{"exec", "--lock-wait", "5m"}, flags, []string{"--"}, b.command)...)
	out := &bytes.Buffer{}
	cmd.Dir, cmd.Stdout, cmd.Stderr = b.dir, out, out
	cmd.Env = append(os.Environ(), append(b.env, "DATABASE_URL="+b.URL(), "TOOL="+b.tool,
		"PATH="+strings.Join(append(b.path, os.Getenv("PATH")), string(os.PathListSeparator)),
		"PGHOST="+b.Host, fmt.Sprintf("PGPORT=%d", b.Port), "PGUSER="+b.User, "PGPASSWORD="+b.Password, "PGDATABASE="+b.Name)...)
	assert.NoError(b.t, cmd.Start())
	return cmd, out
}

func (b *fixture) execWithCode(code int, flags ...string) string {
	b.t.Helper()
	got, output := b.exec(flags...)
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
			b := newFixture(t, tool)
			b.checkMigrate()
			b.writeNext("ALTER TABLE guests ADD CONSTRAINT guests_email_key UNIQUE (email)")
			assert.Contains(t, b.checkFailure(cmp.Or(tool.reason, "guests_email_key")), tool.resolve)
			b.repair(tool)
			b.writeNext(slowStatement)
			b.checkTimeout()
			b.repair(tool)
			assert.Contains(t, b.checkStop(), tool.stopped)
			if tool.staleLock {
				assert.Contains(t, b.report(b.execWithCode(5)), "--on-stale-lock release")
			}
			b.repair(tool)
			b.checkNewer(tool)
		})
	}
}

// checkMigrate starts the tool twice at the same time. Each migration runs once and both runs
// succeed, also if the tool itself does not lock. The second run has nothing to do.
func (b *fixture) checkMigrate() {
	b.t.Helper()
	var all sync.WaitGroup
	for range 2 {
		all.Go(func() {
			code, output := b.exec("--tool-version", "v1")
			assert.Zero(b.t, code, output)
		})
	}
	all.Wait()
	require.Equal(b.t, "2", b.Value(b.t, "SELECT count(*) FROM guests"))
	assert.Equal(b.t, "succeeded 0 2", b.Value(b.t, "SELECT string_agg(DISTINCT run_outcome || ' ' || run_exit_code, ', ') || ' ' || count(*) FROM schema_migrations_exec_history"))
	assert.Contains(b.t, b.Value(b.t, "SELECT schema_changes FROM schema_migrations_exec_history ORDER BY run_id LIMIT 1"), "added table public.guests")
	assert.Equal(b.t, "true", b.Value(b.t, "SELECT schema_before = schema_after FROM schema_migrations_exec_history ORDER BY run_id DESC LIMIT 1"))
}

// checkFailure runs a migration that fails, checks that the failure report has the reason, and returns the report.
func (b *fixture) checkFailure(reason string) (report string) {
	b.t.Helper()
	output := b.execWithCode(6)
	report = b.report(output)
	assert.Contains(b.t, report, reason, "the reason is in the report")
	assert.NotContains(b.t, report, b.Password)
	assert.Equal(b.t, "failed", b.lastOutcome())
	return report
}

// report returns the failure report in the output, on one line.
func (b *fixture) report(output string) string {
	b.t.Helper()
	_, report, found := strings.Cut("\n"+output, "\nshiplock: ")
	require.True(b.t, found, output)
	return strings.Join(strings.Fields(report), " ")
}

func (b *fixture) lastOutcome() string {
	return b.Value(b.t, "SELECT run_outcome FROM schema_migrations_exec_history ORDER BY run_id DESC LIMIT 1")
}

// repair does what the tool's command in the report does.
func (b *fixture) repair(tool tool) {
	if tool.repair != "" {
		b.Exec(b.t, tool.repair)
	}
}

// slowStatement is a statement that does not end by itself.
const slowStatement = "SELECT pg_sleep(3600)"

// runningStatements counts the sessions that run slowStatement.
const runningStatements = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' AND query LIKE '%" + slowStatement + "%' AND pid <> pg_backend_pid()"

// checkTimeout checks that the tool's statement ends when the time is over. On a loaded machine the tool may not have started
// it yet.
func (b *fixture) checkTimeout() {
	b.t.Helper()
	output := b.execWithCode(124, "--timeout", "6s")
	assert.Equal(b.t, "0", b.Value(b.t, runningStatements), output)
	assert.Contains(b.t, b.report(output), "; the schema is unchanged")
	assert.Equal(b.t, "stopped", b.lastOutcome())
}

// checkStop stops the migrator while the tool's statement runs, checks that the statement has ended, and returns the
// failure report.
func (b *fixture) checkStop() (report string) {
	b.t.Helper()
	cmd, out := b.start("--on-stale-lock", "release")
	ended := make(chan struct{}, 1)
	go func() {
		_ = cmd.Wait() // the exit code is asserted below
		ended <- struct{}{}
	}()
	require.Eventually(b.t, func() bool { return len(ended) > 0 || b.Value(b.t, runningStatements) == "1" }, 5*time.Minute, 50*time.Millisecond)
	require.NoError(b.t, cmd.Process.Signal(syscall.SIGTERM))
	<-ended
	require.Equal(b.t, 143, cmd.ProcessState.ExitCode(), out)
	assert.Equal(b.t, "0", b.Value(b.t, runningStatements), out)
	report = b.report(out.String())
	assert.Contains(b.t, report, "; the schema is unchanged")
	return report
}

// checkNewer runs the next version of the files, and then the first version again, as after a rollback of the release.
func (b *fixture) checkNewer(tool tool) {
	b.t.Helper()
	b.writeNext("SELECT 1")
	b.execWithCode(0, "--tool-version", "v2", "--on-stale-lock", "release")
	b.writeFiles()
	output := b.execWithCode(0, "--tool-version", "v1")
	if tool.refusesNewer {
		assert.Contains(b.t, output, "external tool failed without changes on a newer database")
	}
}
