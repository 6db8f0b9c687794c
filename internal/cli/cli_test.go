package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/cli"
	"github.com/shiplock/shiplock/internal/cli/flags"
	"github.com/shiplock/shiplock/internal/interrupt"
	"github.com/shiplock/shiplock/internal/status"
	"github.com/shiplock/shiplock/internal/test/fixture"
	"github.com/shiplock/shiplock/internal/test/pgtest"
)

func TestMain(m *testing.M) {
	runAsNonroot()
	// The receivers of notifications always respond in these tests, but a slow machine may take long.
	_ = os.Setenv("SHIPLOCK_NOTIFY_TIMEOUT", "2m")
	pgtest.Parallel(6) // the tests mostly wait for the server and for timeouts
	pgtest.Main(m)
}

// An outcome is the exit code and the output of one call of the program.
type outcome struct {
	code        int
	stdout, err string
}

// filesRoot is the prefix of the paths of Kubernetes' files for call.
var filesRoot string

// records returns the log records of a run (see fixture.Log).
func (o outcome) records(message string, attrs ...string) []fixture.Record {
	var log fixture.Log
	_, _ = log.Write([]byte(o.err))
	return log.Records(message, attrs...)
}

func call(ctx context.Context, args ...string) outcome {
	var stdout, stderr bytes.Buffer
	code := cli.Program{Stdout: &stdout, Stderr: &stderr, Root: filesRoot}.Run(ctx, args)
	return outcome{code, stdout.String(), stderr.String()}
}

func TestUpDown_TwoMigrations_AppliedAndRolledBack(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	dir := fixture.FileMap(t, map[string]string{
		"1_a.up.sql": "CREATE TABLE a (b int);", "1_a.down.sql": "DROP TABLE a;",
		"2_b.up.sql": "CREATE TABLE c (d int);", "2_b.down.sql": "",
	})
	run := func(args ...string) outcome {
		return call(t.Context(), append(args, "--source", dir, "--database-url", d.URL())...)
	}
	out := run("up")
	assert.Zero(t, out.code, out.err)
	assert.Contains(t, out.err, "1_a.up.sql")
	assert.Contains(t, out.err, "applied=2")
	assert.Equal(t, "2", d.Value(t, "SELECT version FROM schema_migrations WHERE NOT dirty"))

	out = run("up")
	assert.Zero(t, out.code)
	assert.Len(t, out.records("nothing to do", "version", "2"), 1, out.err)

	out = run("down", "--to", "1")
	assert.Zero(t, out.code, out.err)
	assert.Equal(t, "1", d.Value(t, "SELECT version FROM schema_migrations"))
	assert.Equal(t, "c", d.Value(t, "SELECT to_regclass('c')"), "an empty down file rolls back nothing")

	out = run("down", "--to", "0")
	assert.Zero(t, out.code, out.err)
	assert.Equal(t, "0", d.Value(t, "SELECT count(*) FROM schema_migrations"))
	assert.Empty(t, d.Value(t, "SELECT to_regclass('a')"))
}

func TestUp_NoDownFile_Warns(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t, map[string]string{"1_a.up.sql": "SELECT 1", "2_b.up.sql": "SELECT 2", "2_b.down.sql": "", "3_c.up.sql": "SELECT 3"})
	warnings := func() []fixture.Record {
		return w.mustExit(0, "up", "--log-format", "json").records("", "level", "WARN", "versions", "")
	}
	first := warnings()
	require.Len(t, first, 1)
	assert.Equal(t, "1, 3", first[0]["versions"])
	assert.Empty(t, warnings(), "nothing was applied")
	w.write("4_d.up.sql", "SELECT 4")
	next := warnings()
	require.Len(t, next, 1)
	assert.Equal(t, "4", next[0]["versions"])
}

func TestStatus_PendingAndApplied_Listed(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	one := fixture.FileMap(t, map[string]string{"0001_first.up.sql": "SELECT 1"})
	two := fixture.FileMap(t, map[string]string{"0001_first.up.sql": "SELECT 1", "0003_third.up.sql": "SELECT 1"})
	run := func(dir string, args ...string) outcome {
		return call(t.Context(), append(args, "--source", dir, "--database-url", d.URL())...)
	}
	type result struct {
		Version, Latest  *uint
		Dirty, Known     bool
		Pending, Applied []status.FileInfo
	}
	read := func(dir string) (st result) {
		out := run(dir, "status", "-o", "json")
		require.Zero(t, out.code, out.err)
		require.NoError(t, json.Unmarshal([]byte(out.stdout), &st))
		assert.NotContains(t, out.stdout, "null,\n  \"applied", "lists must not be null")
		return st
	}
	st := read(two)
	assert.Nil(t, st.Version)
	assert.Len(t, st.Pending, 2)
	assert.Empty(t, d.Value(t, "SELECT to_regclass('schema_migrations')"), "status must not write")

	require.Zero(t, run(one, "up").code)
	st = read(two)
	assert.EqualValues(t, 1, *st.Version)
	assert.EqualValues(t, 3, *st.Latest)
	require.Len(t, st.Applied, 1)
	assert.Equal(t, "applied", st.Applied[0].Run.Outcome)
	assert.Equal(t, d.User, st.Applied[0].Run.User)
	assert.Equal(t, []status.FileInfo{{Version: 3, Name: "third"}}, st.Pending)
	assert.Regexp(t, `(?s)version +1\n.*1 +first +applied .*\n3 +third +pending`, run(two, "status").stdout)

	require.Zero(t, run(two, "up").code)
	out := run(one, "status")
	assert.Contains(t, out.stdout, "ahead of the migration files")
	out = run(one, "up")
	assert.Zero(t, out.code, "an older image must start after a rollback")
	assert.Len(t, out.records("", "level", "WARN", "version", "3"), 1, out.err)
	golden(t, "newer", run(one, "up", "--on-newer", "fail").err)

	d.Exec(t, "UPDATE schema_migrations SET dirty = true")
	assert.Contains(t, run(two, "status").stdout, "DIRTY")
	assert.True(t, read(two).Dirty)
}

// TestUp_Failure_ReportMatchesGolden has one row per cause: the exit code, the report, and a database
// that is unchanged.
func TestUp_Failure_ReportMatchesGolden(t *testing.T) {
	t.Parallel()
	const first = "CREATE TABLE guests (email text); INSERT INTO guests VALUES ('ana@example.com'), ('ana@example.com');"
	for _, c := range []struct {
		name    string
		code    int
		files   map[string]string
		prepare string
		args    []string
		url     func(string) string
		version string
	}{
		{name: "unique", code: 6, version: "1", files: map[string]string{"1_guests.up.sql": first,
			"2_unique_email.up.sql": "-- no guest twice\nALTER TABLE guests\n  ADD CONSTRAINT guests_email_key UNIQUE (email);\n"}},
		{name: "syntax", code: 6, files: map[string]string{"1_x.up.sql": "CREATE TABLE a (b int);\nCREATE TABEL c (d int);\n"}},
		{name: "column", code: 6, files: map[string]string{"1_x.up.sql": "CREATE TABLE a (b int);\nSELECT\n\tb,\n\tbb\nFROM a;\n"}},
		{name: "function", code: 6, files: map[string]string{"1_x.up.sql": "DO $$\nBEGIN\n  RAISE EXCEPTION 'not %', 'today' USING HINT = 'come back tomorrow';\nEND $$;"}},
		{name: "partially-applied", code: 7, version: "1", files: map[string]string{
			"1_x.up.sql": "CREATE TABLE a (b int);\nCREATE INDEX CONCURRENTLY i ON a (b);\nCREATE INDEX CONCURRENTLY j ON a (nope);\nSELECT 1;"}},
		{name: "down-required", code: 5, args: []string{"up", "--require-down"}, files: map[string]string{
			"1_a.up.sql": "SELECT 1", "2_b.up.sql": "SELECT 1", "2_b.down.sql": "", "3_c.up.sql": "SELECT 1"}},
		{name: "tx-mode-all-rolled-back", code: 6, args: []string{"up", "--tx-mode", "all"}, files: map[string]string{
			"1_guests.up.sql": first, "2_rooms.up.sql": "CREATE TABLE rooms (number int);", "3_unique_email.up.sql": "CREATE UNIQUE INDEX ON guests (email);"}},
		{name: "tx-mode-all-not-possible", code: 5, args: []string{"up", "--tx-mode", "all"}, files: map[string]string{
			"1_guests.up.sql": first, "2_index.up.sql": "-- for the search\nCREATE INDEX CONCURRENTLY guests_email_idx ON guests (email);"}},
		{name: "hidden-transaction", code: 6, files: map[string]string{
			"1_x.up.sql": "CREATE PROCEDURE p() LANGUAGE plpgsql AS $$ BEGIN COMMIT; END $$;\nCALL p();"}},
		{name: "escape-sequences", code: 6, files: map[string]string{"1_x.up.sql": "DO $$ BEGIN RAISE EXCEPTION E'\\x1b[2Jall is well\\r\\nshiplock: done'; END $$"}},
		{name: "password-in-sql", code: 6, files: map[string]string{"1_x.up.sql": "CREATE ROLE r LOGIN PASSWORD 'marked-secret' NOPE"}},
		{name: "dirty", code: 5, version: "1", files: map[string]string{"1_x.up.sql": "SELECT 1"},
			prepare: "CREATE TABLE schema_migrations (version bigint PRIMARY KEY, dirty boolean NOT NULL); INSERT INTO schema_migrations VALUES (1, true)"},
		{name: "unknown-version", code: 5, version: "7", files: map[string]string{"1_x.up.sql": "SELECT 1", "9_y.up.sql": "SELECT 1"},
			prepare: "CREATE TABLE schema_migrations (version bigint PRIMARY KEY, dirty boolean NOT NULL); INSERT INTO schema_migrations VALUES (7, false)"},
		{name: "file-name", code: 5, files: map[string]string{"1_x.up.sql": "SELECT 1", "2-y.up.sql": "SELECT 1"}},
		{name: "file-text", code: 5, files: map[string]string{"1_x.up.sql": "SELECT 1;\nSELECT 'caf\xe9';"}},
		{name: "psql-command", code: 5, files: map[string]string{"1_x.up.sql": "SELECT 1;\n\\connect other\nSELECT 2;"}},
		{name: "copy-without-rows", code: 5, files: map[string]string{"1_x.up.sql": "CREATE TABLE a (b int);\nCOPY a FROM stdin;\n"}},
		{name: "copy-row", code: 6, version: "1", files: map[string]string{"1_guests.up.sql": first,
			"2_rooms.up.sql": "CREATE TABLE rooms (id int, name text);\nCOPY rooms (id, name) FROM stdin;\n1\tblue\ntwo\tred\n\\.\nSELECT 1;"}},
		{name: "empty-directory", code: 2, files: map[string]string{"README.md": "nothing here"}},
		{name: "no-down", code: 5, version: "1", files: map[string]string{"1_x.up.sql": "SELECT 1"}, args: []string{"down", "--to", "0"},
			prepare: "CREATE TABLE schema_migrations (version bigint PRIMARY KEY, dirty boolean NOT NULL); INSERT INTO schema_migrations VALUES (1, false)"},
		{name: "wrong-password", code: 2, files: map[string]string{"1_x.up.sql": "SELECT 1"},
			url: func(u string) string { return strings.Replace(u, "s3cret", "marked-secret", 1) }},
		{name: "unreachable", code: 3, files: map[string]string{"1_x.up.sql": "SELECT 1"}, args: []string{"up", "--wait-for-db", "3s"},
			url: func(u string) string { return regexp.MustCompile(`:\d+/`).ReplaceAllString(u, ":1/") }},
		{name: "no-right", code: 2, files: map[string]string{"1_x.up.sql": "SELECT 1"},
			prepare: "CREATE TABLE schema_migrations (version bigint PRIMARY KEY, dirty boolean NOT NULL)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := pgtest.New(t)
			url := d.URL()
			if c.url != nil {
				url = c.url(url)
			}
			if c.prepare != "" {
				d.Exec(t, c.prepare)
				if c.name != "no-right" {
					d.Exec(t, fmt.Sprintf("ALTER TABLE schema_migrations OWNER TO %q", d.User))
				}
			}
			args := c.args
			if args == nil {
				args = []string{"up"}
			}
			out := call(t.Context(), append(args, "--source", fixture.FileMap(t, c.files), "--database-url", url, "--log-level", "debug")...)
			assert.Equal(t, c.code, out.code, out.err)
			golden(t, c.name, out.err)
			assert.NotContains(t, out.err, "s3cret")
			assert.NotContains(t, out.err, "marked-secret")
			assert.NotContains(t, out.err, "\x1b")
			assert.Less(t, len(out.err), 8192)
			if c.version != "" {
				assert.Equal(t, c.version, d.Value(t, "SELECT version FROM schema_migrations"))
			} else if c.prepare == "" {
				assert.Empty(t, d.Value(t, "SELECT to_regclass('schema_migrations')"))
			}
		})
	}
}

func TestUp_LockHeldByOther_ExitCode4(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	dir := fixture.FileMap(t, map[string]string{"1_x.up.sql": "SELECT pg_sleep(60)"})
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	first := make(chan outcome, 1)
	go func() { first <- call(ctx, "up", "--source", dir, "--database-url", d.URL()) }()
	fixture.Eventually(t, d, "SELECT ("+sleepingCondition+")::text", "true")

	out := call(t.Context(), "up", "--source", dir, "--database-url", d.URL(), "--lock-wait", "3s")
	assert.Equal(t, 4, out.code)
	golden(t, "locked", out.err)

	// Stop the first run as Kubernetes stops a pod.
	cancel(&interrupt.SignalError{Signal: syscall.SIGTERM})
	out = <-first
	assert.Equal(t, 128+15, out.code)
	golden(t, "sigterm", out.err)
	assert.Empty(t, d.Value(t, "SELECT to_regclass('schema_migrations')"))
	fixture.Eventually(t, d, "SELECT ("+sleepingCondition+")::text", "false")
}

func TestUp_Standby_Refused(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	dir := fixture.FileMap(t, map[string]string{"1_x.up.sql": "CREATE TABLE a (b int)"})
	standby := d.Standby(t)
	out := call(t.Context(), "up", "--source", dir, "--database-url", standby.URL())
	assert.Equal(t, 2, out.code)
	golden(t, "standby", out.err)
	assert.Zero(t, call(t.Context(), "status", "--source", dir, "--database-url", standby.URL()).code, "status is read-only")

	both := regexp.MustCompile(`127.0.0.1:\d+/`).ReplaceAllString(standby.URL(), "127.0.0.1,127.0.0.1/") +
		fmt.Sprintf("&port=%d,%d", standby.Port, d.Port)
	out = call(t.Context(), "up", "--source", dir, "--database-url", both+"&target_session_attrs=read-write")
	assert.Zero(t, out.code, out.err)
	assert.Equal(t, "a", d.Value(t, "SELECT to_regclass('a')"))
	for _, write := range [][]string{{"up", "--source", dir}, {"exec", "--", "true"}, {"down", "--source", dir, "--to", "1"}} {
		out = call(t.Context(), append([]string{write[0], "--database-url", both}, write[1:]...)...)
		assert.Zero(t, out.code, "must connect to the primary of several hosts: %s", out.err)
	}
	out = call(t.Context(), "repair", "--applied", "--source", dir, "--database-url", both)
	assert.Contains(t, out.err, "nothing to repair")
}

func TestUp_Timeout_ExitCode124(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	dir := fixture.FileMap(t, map[string]string{"1_x.up.sql": "CREATE TABLE a (b int)", "2_y.up.sql": "CREATE TABLE c (d int); SELECT pg_sleep(60)"})
	out := call(t.Context(), "up", "--source", dir, "--database-url", d.URL(), "--timeout", "5s")
	assert.Equal(t, 124, out.code)
	golden(t, "timeout", out.err)
	assert.Equal(t, "1", d.Value(t, "SELECT version FROM schema_migrations WHERE NOT dirty"))
	assert.Empty(t, d.Value(t, "SELECT to_regclass('c')"))
}

// TestUp_TwentyConcurrentRuns_EachMigrationOnce simulates many deployments at the same time.
func TestUp_TwentyConcurrentRuns_EachMigrationOnce(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	files := map[string]string{"00_log.up.sql": "CREATE TABLE log (version int);"}
	for i := 1; i <= 20; i++ {
		files[fmt.Sprintf("%02d_m.up.sql", i)] = fmt.Sprintf("INSERT INTO log VALUES (%d); SELECT pg_sleep(0.02);", i)
	}
	dir := fixture.FileMap(t, files)
	outs := make(chan outcome, 20)
	for range cap(outs) {
		go func() { outs <- call(t.Context(), "up", "--source", dir, "--database-url", d.URL()) }()
	}
	for range cap(outs) {
		out := <-outs
		assert.Zero(t, out.code, out.err)
	}
	assert.Equal(t, "20 20", d.Value(t, "SELECT count(*) || ' ' || count(DISTINCT version) FROM log"))
}

func TestCreate_NextVersion_FilesCreated(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "migrations")
	out := call(t.Context(), "create", "add", "guests", "--source", dir)
	assert.Zero(t, out.code, out.err)
	assert.Equal(t, dir+"/0001_add_guests.up.sql\n"+dir+"/0001_add_guests.down.sql\n", out.stdout)
	assert.Equal(t, 2, call(t.Context(), "create", "--source", dir).code)
	assert.Equal(t, 2, call(t.Context(), "create", "///", "--source", dir).code)
}

func TestRun_InvalidArguments_UsageError(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args []string
		want string
	}{
		{nil, "no command specified"},
		{[]string{"upp"}, `unknown command "upp"; available commands: up, down, status`},
		{[]string{"up", "now"}, "migrator up --help"},
		{[]string{"up", "--nope"}, "unknown flag: --nope (run migrator up --help"},
		{[]string{"up", "--timeout", "5"}, `--timeout is "5"; want a duration with a unit, such as 30s or 5m (run migrator up --help for a list of flags)`},
		{[]string{"up", "--connect-attempts", "many"}, `--connect-attempts is "many"; want an integer`},
		{[]string{"up", "--timeout", "-1s"}, "--timeout is -1s; want 0 or more, such as 90s or 5m"},
		{[]string{"up", "--connect-attempts", "-1"}, "--connect-attempts is -1; want 1 or more, or 0 for no limit within --wait-for-db"},
		{[]string{"up", "--on-newer", "maybe"}, `--on-newer is "maybe"; want allow, fail or down`},
		{[]string{"up", "--unrecognized-files", ""}, `--unrecognized-files is ""; want fail or ignore`},
		{[]string{"exec", "--grace", "-1s", "--", "true"}, "--grace is -1s; want 0 or more, such as 10s"},
		{[]string{"up", "--allow-data-loss=maybe"}, `--allow-data-loss is "maybe"; want true or false`},
		{[]string{"up", "--database-url", "postgres://h/d", "--log-format", "xml"}, "want text or json"},
		{[]string{"up", "--database-url", "postgres://h/d", "--log-level", "loud"}, "want debug, info, warn or error"},
		{[]string{"down", "--database-url", "postgres://h/d"}, "down requires --to N"},
		{[]string{"down", "--to", "-1"}, `--to is "-1"; want an integer, 0 or greater`},
		{[]string{"status", "-o", "xml"}, "want table or json"},
	} {
		out := call(t.Context(), c.args...)
		assert.Equal(t, 2, out.code, c.args)
		assert.Contains(t, out.err, c.want)
		assert.True(t, strings.HasPrefix(out.err, "shiplock: "), out.err)
	}
}

func TestHelp_AllCommands_ListVariablesAndExitCodes(t *testing.T) {
	t.Parallel()
	for _, command := range []string{"up", "down", "status", "plan", "wait", "exec", "create"} {
		cmd, _, err := cli.NewCommand().Find([]string{command})
		require.NoError(t, err)
		out := call(t.Context(), command, "--help")
		assert.Zero(t, out.code)
		for _, line := range strings.Split(out.stdout, "\n") {
			flag := regexp.MustCompile(`--([a-z-]+) (string|duration)`).FindStringSubmatch(line)
			if flag == nil || flag[1] == "output" {
				continue
			}
			names := flags.Variables(cmd.Flags().Lookup(flag[1]))
			require.NotEmpty(t, names, line)
			assert.Contains(t, line, "$"+names[len(names)-1])
		}
		for _, code := range []string{"  2 ", "  3 ", "  4 ", "  5 ", "  6 ", "  7 ", "  124 ", "  128+n "} {
			assert.Contains(t, out.stdout, code)
		}
	}
}

func TestFlags_EnvironmentAndDefault_Precedence(t *testing.T) {
	d := pgtest.New(t)
	t.Setenv("DATABASE_URL", d.URL())
	t.Setenv("SHIPLOCK_SOURCE", fixture.FileMap(t, map[string]string{"1_x.up.sql": "SELECT 1"}))
	t.Setenv("SHIPLOCK_TABLE", "from_env")
	out := call(t.Context(), "up")
	require.Zero(t, out.code, out.err)
	assert.Equal(t, "1", d.Value(t, "SELECT version FROM from_env"))
	out = call(t.Context(), "up", "--table", "from_flag")
	require.Zero(t, out.code, out.err)
	assert.Equal(t, "1", d.Value(t, "SELECT version FROM from_flag"))

	t.Setenv("SHIPLOCK_DATABASE_URL", "postgres://127.0.0.1:1/x")
	t.Setenv("SHIPLOCK_WAIT_FOR_DB", "0s")
	assert.Equal(t, 3, call(t.Context(), "up").code, "SHIPLOCK_DATABASE_URL overrides DATABASE_URL")
	t.Setenv("SHIPLOCK_WAIT_FOR_DB", "soon")
	out = call(t.Context(), "up")
	assert.Equal(t, 2, out.code)
	assert.Contains(t, out.err, `SHIPLOCK_WAIT_FOR_DB is "soon"; want a duration with a unit, such as 30s or 5m`)
}

func TestUp_LibpqVariables_Used(t *testing.T) {
	d := pgtest.New(t)
	dir := fixture.FileMap(t, map[string]string{"1_x.up.sql": "SELECT 1"})
	escape := strings.NewReplacer(`\`, `\\`, `:`, `\:`).Replace
	pass := filepath.Join(t.TempDir(), "pgpass")
	require.NoError(t, os.WriteFile(pass, []byte("*:*:*:"+escape(d.User)+":"+escape(d.Password)+"\n"), 0o600))
	for k, v := range map[string]string{"PGHOST": d.Host, "PGPORT": fmt.Sprint(d.Port), "PGUSER": d.User, "PGDATABASE": d.Name, "PGSSLMODE": "disable"} {
		t.Setenv(k, v)
	}
	t.Setenv("PGPASSFILE", pass)
	out := call(t.Context(), "up", "--source", dir)
	assert.Zero(t, out.code, out.err)
	t.Setenv("PGPASSFILE", filepath.Join(t.TempDir(), "gone"))
	assert.Equal(t, 2, call(t.Context(), "up", "--source", dir).code)
	t.Setenv("PGPASSFILE", "")
	t.Setenv("PGPASSWORD", d.Password)
	assert.Zero(t, call(t.Context(), "up", "--source", dir).code)
}
