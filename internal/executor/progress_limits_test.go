package executor

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/activity"
	"github.com/shiplock/shiplock/internal/history"
	"github.com/shiplock/shiplock/internal/lock"
	"github.com/shiplock/shiplock/internal/migrationerror"
	"github.com/shiplock/shiplock/internal/postgres"
	"github.com/shiplock/shiplock/internal/progress"
	"github.com/shiplock/shiplock/internal/script"
	"github.com/shiplock/shiplock/internal/test/fixture"
	"github.com/shiplock/shiplock/internal/test/pgtest"
	"github.com/shiplock/shiplock/internal/test/teststore"
)

// Short statements open no second connection, also with a terminal's intervals. A long one opens
// one and closes it.
func TestProgress_ShortStatements_OpenNoConnection(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		pace  progress.Intervals
		extra int
	}{
		"short": {progress.DefaultIntervals, 0},
		"long":  {shortIntervals, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := pgtest.New(t)
			db, log := openLoggedSession(t, d, func(o *postgres.Options) { o.Progress = progress.NewLog(o.Log, c.pace) })
			require.Nil(t, run(t, db, 1, "SELECT pg_sleep(0.5); SELECT pg_sleep(0.5)"))
			require.NoError(t, db.session.Close())
			assert.Equal(t, c.extra > 0, len(log.Records(runningMessage)) > 0)
			fixture.Eventually(t, d, "SELECT count(*) FROM pg_stat_activity WHERE usename = '"+d.User+"'", "0")
			const setupSessions = 1 // including those that created the database
			assert.Equal(t, fmt.Sprint(setupSessions+1+c.extra), d.Value(t, "SELECT sessions FROM pg_stat_database WHERE datname = current_database()"), "sessions are counted when they start")
		})
	}
}

// Without a second connection, the migration runs and nothing is logged about it.
func TestProgress_NoFreeConnections_MigrationSucceeds(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	d.Exec(t, fmt.Sprintf("ALTER ROLE %q CONNECTION LIMIT 1", d.User))
	db, log := openLoggedSession(t, d, func(o *postgres.Options) { o.LockTimeout = 100 * time.Millisecond })
	require.Nil(t, run(t, db, 1, "SELECT pg_sleep(0.3); SELECT pg_sleep(0.3)"))
	lines := log.Records(runningMessage)
	log.Wait(t, runningMessage, "sql", "SELECT") // known without the server
	for _, l := range lines {
		assert.NotContains(t, l, "wait")
	}
	assert.NotContains(t, log.String(), "connections")
}

// The blocking session belongs to another role.
func TestProgress_NoPrivilege_ActivityOmitted(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	db, log := openLoggedSession(t, d, nil)
	require.NoError(t, db.session.Exec(t.Context(), "CREATE TABLE a (b int)"))
	other, err := d.Admin().Begin()
	require.NoError(t, err)
	defer func() { _ = other.Rollback() }()
	_, err = other.Exec("LOCK TABLE a; SELECT 'something private'")
	require.NoError(t, err)
	done := make(chan *migrationerror.Error, 1)
	go func() { done <- run(t, db, 1, "ALTER TABLE a ADD COLUMN c int") }()
	line := log.Wait(t, runningMessage, "blocked_by", "pid")
	assert.NotContains(t, fmt.Sprint(line["blocked_by"]), "privilege")
	assert.NotContains(t, fmt.Sprint(line["blocked_by"]), "private")
	require.NoError(t, other.Rollback())
	require.Nil(t, <-done)
}

// The second session reads the activity of the server that runs the transaction.
func TestProgress_TransactionPooler_Reported(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	db, log := openLoggedSession(t, d.Pooled(t, "transaction"), nil)
	require.NoError(t, acquireLock(t, db).Release(t.Context()))
	require.Nil(t, run(t, db, 1, "SELECT 1; SELECT pg_sleep(2)"))
	log.Wait(t, runningMessage, "wait", "Timeout: PgSleep")
	assert.Equal(t, "0", d.Value(t, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%statement_timeout = 1000%' AND state LIKE 'idle in%'"))
}

// Control characters are in the blocking session's query and application_name, the file name and a
// statement.
func TestProgress_ControlCharacters_LogNotForged(t *testing.T) {
	t.Parallel()
	const forged = "\x1b[2J\x1b]0;x\x07\r\ntime=2026-01-01T00:00:00Z level=INFO msg=done\u202e\u009b2K"
	d := pgtest.New(t)
	for name, handler := range map[string]func(*fixture.Buffer) slog.Handler{
		"text": func(b *fixture.Buffer) slog.Handler { return slog.NewTextHandler(b, nil) },
		"json": func(b *fixture.Buffer) slog.Handler { return slog.NewJSONHandler(b, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			var log fixture.Buffer
			db, _ := openLoggedSession(t, d, func(o *postgres.Options) {
				o.Log = slog.New(handler(&log))
				o.Progress = progress.NewLog(o.Log, shortIntervals)
				o.LockTimeout = 400 * time.Millisecond
			})
			require.NoError(t, db.session.Exec(t.Context(), "DROP TABLE IF EXISTS a; CREATE TABLE a (b int)"))
			other := beginReader(t, d)
			_, err := other.Exec("SELECT 1 AS \"" + forged + "\" FROM a /* ALTER ROLE x PASSWORD 'geheim' */")
			require.NoError(t, err)
			script, err := script.ParseFile("1_"+forged+".up.sql", []byte("SELECT 1;\nALTER TABLE a ADD COLUMN \""+forged+"\" int"))
			require.NoError(t, err)
			done := make(chan *migrationerror.Error, 1)
			go func() {
				done <- db.Apply(t.Context(), Migration{Script: script, From: noVersion, To: versionOne, Entry: history.Entry{Version: 1, Name: "x", Direction: "up"}})
			}()
			require.Eventually(t, func() bool {
				return strings.Contains(log.String(), "report") && strings.Contains(log.String(), "attempt=3") || strings.Contains(log.String(), `"attempt":3`)
			}, time.Minute, 20*time.Millisecond)
			require.NoError(t, other.Rollback())
			require.Nil(t, <-done)
			require.NoError(t, db.session.Exec(t.Context(), "DROP TABLE a; TRUNCATE schema_migrations"))
			assert.Zero(t, strings.Count(log.String(), "\ntime=2026-01"), "no forged line")
			bad := strings.IndexFunc(log.String(), func(r rune) bool { return r != '\n' && (unicode.IsControl(r) || unicode.Is(unicode.Cf, r)) })
			assert.Equal(t, -1, bad, "%q", log.String()[max(bad, 0):min(max(bad, 0)+60, len(log.String()))])
			assert.NotContains(t, log.String(), "PASSWORD 'geheim'")
		})
	}
}

// The waiting migrator reports the progress of the lock holder.
func TestLock_HeldByAnotherMigrator_ReportsItsProgress(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	first, _ := openLoggedSession(t, d, nil)
	require.NoError(t, first.session.Exec(t.Context(), "CREATE TABLE a (b int); INSERT INTO a VALUES (1)"))
	require.Nil(t, run(t, first, 1, "SELECT 1"))
	locker := acquireLock(t, first)
	writer := beginReader(t, d)
	_, err := writer.Exec("INSERT INTO a VALUES (2)")
	require.NoError(t, err)
	done := make(chan *migrationerror.Error, 1)
	go func() {
		done <- run(t, first, 2, "CREATE TABLE c (d int);\nCREATE INDEX CONCURRENTLY i ON a (b);\nSELECT 1;")
	}()

	second, log := openLoggedSession(t, d, nil)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	locked := make(chan error, 1)
	go func() {
		_, err := lock.Acquire(ctx, second.store, lock.Options{Wait: time.Minute})
		locked <- err
	}()
	const waiting = "waiting for another migrator"
	line := log.Wait(t, waiting, "phase", "waiting for writers before build")
	assert.Equal(t, "2_x.up.sql", line["migrating"])
	assert.Equal(t, "2 of 3", line["statement"])
	assert.Contains(t, line["holder"], "pid")
	assert.Contains(t, fmt.Sprint(line["holder_blocked_by"]), "report")
	assert.Contains(t, line, "time_left")
	assert.Contains(t, line, "waited")
	require.NoError(t, writer.Commit())
	require.Nil(t, <-done)
	require.NoError(t, locker.Unlock(t.Context()))
	require.NoError(t, <-locked)
	assert.NotEmpty(t, log.Records("lock acquired"))
}

// Each line reports the time waited.
func TestOpen_DatabaseUnreachable_ReportsRepeatedly(t *testing.T) {
	t.Parallel()
	var log fixture.Log
	d := pgtest.New(t)
	o := teststore.Options(t, strings.Replace(d.URL(), fmt.Sprintf(":%d/", d.Port), ":1/", 1))
	o.Log, o.WaitForDB = log.Logger(), 2*time.Second
	o.Progress = progress.NewLog(o.Log, shortIntervals)
	_, err := postgres.Open(t.Context(), o)
	require.Error(t, err)
	lines := log.Records("waiting for the database")
	require.Greater(t, len(lines), 1)
	first, last := lines[0], lines[len(lines)-1]
	assert.Less(t, first["waited"], last["waited"])
	assert.Contains(t, last["reason"], "refused")
	assert.Contains(t, last, "time_left")
}

func TestStatementPrefix(t *testing.T) {
	t.Parallel()
	for sql, want := range map[string]string{
		"CREATE INDEX i ON a (b)":                        "CREATE INDEX i ON a (b)",
		"CREATE ROLE app LOGIN PASSWORD 'geheim'":        "CREATE ROLE app LOGIN PASSWORD …",
		"CREATE ROLE app PASSWORD E'geheim'":             "CREATE ROLE app PASSWORD …",
		"CREATE SUBSCRIPTION s CONNECTION 'password=x y": "CREATE SUBSCRIPTION s CONNECTION …",
		"DO $$ BEGIN END $$":                             "DO …",
		"INSERT INTO a VALUES (1, 'geheim')":             "INSERT INTO a VALUES (1, …",
		"SELECT dblink('password=geheim')":               "SELECT dblink( …",
		strings.Repeat("ü", 300):                         strings.Repeat("ü", 100),
	} {
		assert.Equal(t, want, activity.StatementPrefix(sql))
	}
}
