package cli_test

import (
	"encoding/json"
	"encoding/pem"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/notify"
	"github.com/shiplock/shiplock/internal/test/fixture"
	"github.com/shiplock/shiplock/internal/test/pgtest"
)

// setPodEnvironment sets the environment of a pod whose Kubernetes API server receives Events.
func setPodEnvironment(t *testing.T, events *receiver) {
	t.Helper()
	api := httptest.NewTLSServer(events.Config.Handler)
	t.Cleanup(api.Close)
	filesRoot = t.TempDir()
	t.Cleanup(func() { filesRoot = "" })
	dir := filepath.Join(filesRoot, "var/run/secrets/kubernetes.io/serviceaccount")
	require.NoError(t, os.MkdirAll(dir, 0o700))
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: api.Certificate().Raw})
	for name, text := range map[string]string{"token": "token", "namespace": "shop", "ca.crt": string(ca)} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	u, err := url.Parse(api.URL)
	require.NoError(t, err)
	t.Setenv("KUBERNETES_SERVICE_HOST", u.Hostname())
	t.Setenv("KUBERNETES_SERVICE_PORT", u.Port())
	t.Setenv("SHIPLOCK_JOB", "booking-shiplock")
	t.Setenv("SHIPLOCK_JOB_UID", "0f9a")
}

// TestNotify_RolledBackByUp_OnEveryChannel checks that every channel lists the migrations rolled back and
// the resulting version.
func TestNotify_RolledBackByUp_OnEveryChannel(t *testing.T) {
	hook, slack, push, events := newReceiver(t), newReceiver(t), newReceiver(t), newReceiver(t)
	setPodEnvironment(t, events)
	githubDir := t.TempDir()
	summary, termination := filepath.Join(githubDir, "summary.md"), filepath.Join(githubDir, "termination-log")
	t.Setenv("GITHUB_ACTIONS", "true")
	t.Setenv("GITHUB_WORKSPACE", githubDir)
	t.Setenv("GITHUB_STEP_SUMMARY", summary)
	files := map[string]string{"1_a.up.sql": "SELECT 1", "1_a.down.sql": "SELECT 1"}
	v1 := newWorkspace(t, files)
	for _, name := range []string{"2_guests", "3_prices"} {
		files[name+".up.sql"], files[name+".down.sql"] = "SELECT 2", "SELECT 2"
	}
	(&workspace{Database: v1.Database, t: t, dir: fixture.FileMap(t, files)}).mustExit(0, "up")

	out := v1.mustExit(0, "up", "--on-newer", "down", "--notify-success", "--webhook-url", hook.URL, "--pushgateway-url", push.URL, "--kubernetes-event", "--termination-log", termination)
	const title, rolledBack = "database is at version 1 (previously 3): 2 migrations rolled back in ", "rolled back: 3 (prices), 2 (guests)"
	texts := map[string]string{"standard error": reportIn(t, out.err)}
	for name, file := range map[string]string{"step summary": summary, "termination message": termination} {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		texts[name] = string(text)
	}
	m := hook.message(t)
	texts["webhook"] = m.Title
	assert.Equal(t, []notify.Migration{{Version: 3, Name: "prices", Direction: "down"}, {Version: 2, Name: "guests", Direction: "down"}}, m.Migrations)
	assert.Equal(t, []int{3, 1, 2, 2, 0}, []int{*m.VersionFrom, *m.VersionTo, *m.Applied, *m.RolledBack, *m.Pending})
	assert.Equal(t, "up succeeded", m.Command+" "+m.Outcome)
	sent := events.take()
	require.Len(t, sent, 1)
	_, body, _ := strings.Cut(sent[0], "\n")
	var event struct{ Reason, Message string }
	require.NoError(t, json.Unmarshal([]byte(body), &event))
	texts["Event"] = event.Message
	assert.Equal(t, "MigrationSucceeded", event.Reason)
	for _, line := range strings.Split(out.err, "\n") {
		if strings.HasPrefix(line, "::notice ") {
			texts["annotation"] = line
		}
	}
	assert.Len(t, texts, 6)
	for channel, text := range texts {
		assert.Contains(t, text, title, channel)
		assert.Contains(t, text, rolledBack, channel)
	}
	metrics := push.take()
	require.Len(t, metrics, 1)
	for _, line := range []string{"shiplock_schema_version 1\n", `shiplock_last_run_migrations{direction="down"} 2` + "\n", `shiplock_last_run_migrations{direction="up"} 0` + "\n"} {
		assert.Contains(t, metrics[0], line)
	}
	assert.Contains(t, out.err, `rolled_back=2 migrations="3 (prices), 2 (guests)"`, "the log")

	(&workspace{Database: v1.Database, t: t, dir: fixture.FileMap(t, files)}).mustExit(0, "up")
	v1.mustExit(0, "down", "--to", "2", "--notify-success", "--webhook-url", slack.URL, "--webhook-format", "slack", "--source", fixture.FileMap(t, files))
	sent = slack.take()
	require.Len(t, sent, 1)
	assert.Contains(t, sent[0], "database is at version 2 (previously 3): 1 migration rolled back in ")
	assert.Contains(t, sent[0], "rolled back: 3 (prices)")
}

func TestNotify_RollbackFails_RolledBackMigrationsSent(t *testing.T) {
	t.Parallel()
	in := newReceiver(t)
	files := map[string]string{"1_a.up.sql": "SELECT 1"}
	v1 := newWorkspace(t, files)
	for name, down := range map[string]string{"2_b": "SELECT nope", "3_c": "SELECT 3", "4_d": "SELECT 4"} {
		files[name+".up.sql"], files[name+".down.sql"] = "SELECT 2", down
	}
	(&workspace{Database: v1.Database, t: t, dir: fixture.FileMap(t, files)}).mustExit(0, "up")
	v1.mustExit(6, "up", "--on-newer", "down", "--webhook-url", in.URL)
	m := in.message(t)
	assert.Equal(t, []int{4, 2, 2, 2, 0}, []int{*m.VersionFrom, *m.VersionTo, *m.Applied, *m.RolledBack, *m.Pending})
	assert.Equal(t, "migration history:2_b.down.sql failed and was rolled back; database is at version 2", m.Title)
	golden(t, "on-newer-down-fails", m.Report)
}

// TestUp_OnNewerDownWithHotfix_AppliedAfterRollback uses a release v1.1 with a version that v2 does not
// have. up must apply it before it reports that the schema is up to date.
func TestUp_OnNewerDownWithHotfix_AppliedAfterRollback(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{nil, {"--tx-mode", "all"}} {
		d := pgtest.New(t)
		v2 := &workspace{Database: d, t: t, dir: fixture.FileMap(t, map[string]string{"1_a.up.sql": "SELECT 1", "7_b.up.sql": "CREATE TABLE b (c int)", "7_b.down.sql": "DROP TABLE b"})}
		v2.mustExit(0, "up")
		hotfix := &workspace{Database: d, t: t, dir: fixture.FileMap(t, map[string]string{"1_a.up.sql": "SELECT 1", "2_fix.up.sql": "CREATE TABLE fix (c int)"})}
		up := append([]string{"up", "--on-newer", "down"}, args...)
		assert.Contains(t, hotfix.mustExit(0, "plan", "--on-newer", "down").stdout, "1 migration to roll back, then 1 to apply, to version 2")
		assert.Contains(t, hotfix.mustExit(0, up...).err, `rolled_back=1 migrations="7 (b)" applied="2 (fix)"`)
		assert.Equal(t, "2 fix", d.Value(t, "SELECT concat_ws(' ', version, to_regclass('fix'), to_regclass('b')) FROM schema_migrations"))
		assert.Len(t, hotfix.mustExit(0, up...).records("nothing to do"), 1)
	}
	// up refuses before it rolls back any migration
	d := pgtest.New(t)
	(&workspace{Database: d, t: t, dir: fixture.FileMap(t, map[string]string{"1_a.up.sql": "SELECT 1", "3_c.up.sql": "SELECT 3", "7_b.up.sql": "SELECT 7", "7_b.down.sql": "SELECT 7"})}).mustExit(0, "up")
	late := &workspace{Database: d, t: t, dir: fixture.FileMap(t, map[string]string{"1_a.up.sql": "SELECT 1", "2_late.up.sql": "SELECT 2", "3_c.up.sql": "SELECT 3"})}
	assert.Contains(t, late.mustExit(5, "up", "--on-newer", "down").err, "2_late.up.sql is pending, but the database is already at version 3")
	assert.Equal(t, "7", d.Value(t, "SELECT version FROM schema_migrations"))
	late.mustExit(0, "up", "--on-newer", "down", "--out-of-order", "apply")
	assert.Equal(t, "3 1 2 3", d.Value(t, `SELECT concat_ws(' ', (SELECT version FROM schema_migrations), (SELECT string_agg(DISTINCT migration_version::text, ' ') FROM schema_migrations_history WHERE run_direction = 'up' AND migration_version < 7))`))
}
