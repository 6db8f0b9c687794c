package migrator_test

import (
	"context"
	"fmt"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/exectool"
	"github.com/shiplock/shiplock/internal/migrator"
	"github.com/shiplock/shiplock/internal/progress"
	"github.com/shiplock/shiplock/internal/status"
	"github.com/shiplock/shiplock/internal/subprocess"
	"github.com/shiplock/shiplock/internal/test/fixture"
	"github.com/shiplock/shiplock/internal/test/pgtest"
)

// withFrequentProgress returns options that log progress at short intervals.
func withFrequentProgress(o migrator.Options) (migrator.Options, *fixture.Log) {
	var log fixture.Log
	o.Log = log.Logger()
	o.Postgres.Log = o.Log
	o.Postgres.Progress = progress.NewLog(o.Log, progress.Intervals{FirstLine: 100 * time.Millisecond, MaxInterval: 100 * time.Millisecond})
	return o, &log
}

// TestWait_MigratorRunning_ReportsActivity checks that wait reports the progress of a running migrator.
func TestWait_MigratorRunning_ReportsActivity(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	d.Exec(t, fmt.Sprintf("CREATE TABLE a (b int); ALTER TABLE a OWNER TO %q", d.User))
	o := newOptions(t, d, fixture.Files(t, "-- 1_x.up.sql --\nSELECT 1;\nCREATE INDEX CONCURRENTLY i ON a (b);\n"))
	writer, err := d.Open(t).Begin()
	require.NoError(t, err)
	defer func() { _ = writer.Rollback() }()
	_, err = writer.Exec("SET application_name = 'import'; INSERT INTO a VALUES (1)")
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() {
		_, err := migrator.Up(context.WithoutCancel(t.Context()), o)
		done <- err
	}()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	waitOptions, log := withFrequentProgress(o)
	go func() { _, _ = status.Wait(ctx, waitOptions, nil) }()
	line := log.Wait(t, "waiting", "phase", "waiting for writers before build", "holder_blocked_by", "import", "statement", "2 of 2") // the history may be read before the views
	assert.Equal(t, "1_x.up.sql", line["migrating"])
	assert.Equal(t, "2 of 2", line["statement"])
	assert.Contains(t, line["for"], "running or partially applied at version 1")
	assert.Contains(t, line["holder"], "shiplock")
	assert.Contains(t, line, "waited")
	assert.Contains(t, line, "time_left")
	require.NoError(t, writer.Commit())
	require.NoError(t, <-done)
}

// TestExec_LongRunning_ReportsProgress checks that exec reports the activity of the tool in the database.
func TestExec_LongRunning_ReportsProgress(t *testing.T) {
	t.Parallel()
	for name, pooled := range map[string]bool{"directly": false, "behind a pooler": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDatabase(t)
			sh, err := exec.LookPath("sh")
			require.NoError(t, err)
			to := d
			if pooled {
				to = d.Pooled(t, "transaction")
			}
			o, log := withFrequentProgress(newOptions(t, to, ""))
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			done := make(chan error, 1)
			go func() {
				_, err := exectool.Run(ctx, o.Postgres, exectool.Tool{Line: "npm run migrate", Progress: o.Postgres.Progress,
					Command: subprocess.Command{Path: sh, Args: []string{"sh", "-c", "while :; do sleep 0.05; done"}}})
				done <- err
			}()
			line := log.Wait(t, "external tool still running")
			assert.Equal(t, "npm run migrate", line["command"])
			assert.Contains(t, line, "elapsed")
			if !pooled {
				blockToolSession(t, d, log)
			}
			cancel(assert.AnError)
			require.ErrorIs(t, <-done, assert.AnError, "the session that looks has kept its lock")
		})
	}
}

// blockToolSession opens a session from this host after the start of the run, and blocks it.
func blockToolSession(t *testing.T, d *pgtest.Database, log *fixture.Log) {
	t.Helper()
	d.Exec(t, "CREATE TABLE b (c int); GRANT ALL ON b TO PUBLIC")
	holder, err := d.Admin().Begin()
	require.NoError(t, err)
	defer func() { _ = holder.Rollback() }()
	_, err = holder.Exec("SET application_name = 'report'; LOCK TABLE b")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	session := d.Open(t)
	go func() { _, _ = session.ExecContext(ctx, "INSERT INTO b VALUES (1), (length('geheim'))") }()
	line := log.Wait(t, "external tool still running", "wait", "Lock: relation")
	assert.Equal(t, "INSERT INTO b VALUES (1), (length( …", line["sql"])
	assert.Contains(t, fmt.Sprint(line["blocked_by"]), "pid")
}

// TestUp_LongRunning_CountsMigrations checks the progress counts, also with one transaction for all migrations.
func TestUp_LongRunning_CountsMigrations(t *testing.T) {
	t.Parallel()
	for _, txMode := range []migrator.TxMode{migrator.TxModeFile, migrator.TxModeAll} {
		t.Run(string(txMode), func(t *testing.T) {
			t.Parallel()
			o, log := withFrequentProgress(newOptions(t, newDatabase(t), fixture.Files(t, "-- 1_a.up.sql --\nSELECT 1;\n-- 2_b.up.sql --\nSELECT 1;\nSELECT pg_sleep(1);\n-- 3_c.up.sql --\nSELECT 3;\n")))
			o.TxMode = txMode
			_, err := migrator.Up(t.Context(), o)
			require.NoError(t, err)
			line := log.Wait(t, "migration is running", "wait", "Timeout: PgSleep")
			assert.Equal(t, []any{"2_b.up.sql", "2 of 3", "2 of 2", 2.0}, []any{line["file"], line["migration"], line["statement"], line["line"]})
		})
	}
}
