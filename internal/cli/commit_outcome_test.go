package cli_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/shiplock/shiplock/internal/test/fixture"
)

// TestUp_CommitNotAnswered_OutcomeUnknown cuts the connection while the commit waits for a synchronous
// standby. The outcome is then unknown, and the report must state that.
func TestUp_CommitNotAnswered_OutcomeUnknown(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t, map[string]string{"1_a.up.sql": "CREATE TABLE a (b int)"})
	w.mustExit(0, "up")
	w.write("2_b.up.sql", "CREATE TABLE b (c int)")
	standbys := func(sql string) {
		w.Exec(t, sql)
		w.Exec(t, "SELECT pg_reload_conf()")
	}
	standbys("ALTER SYSTEM SET synchronous_standby_names = 'missing'") // a setting of the server; the databases of other tests use synchronous_commit = off
	t.Cleanup(func() { standbys("ALTER SYSTEM RESET synchronous_standby_names") })
	w.Exec(t, `ALTER ROLE "`+w.User+`" SET synchronous_commit = on`)

	through, proxy := w.Proxied(t, 0)
	done := make(chan outcome, 1)
	go func() { done <- call(t.Context(), "up", "--source", w.dir, "--database-url", through.URL()) }()
	fixture.Eventually(t, w.Database, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'SyncRep'", "1")
	proxy.Cut()
	out := <-done
	assert.Equal(t, 3, out.code, out.err)
	golden(t, "commit-not-answered", out.err)

	standbys("ALTER SYSTEM RESET synchronous_standby_names")
	fixture.Eventually(t, w, "SELECT to_regclass('b')", "b")
	assert.Len(t, w.mustExit(0, "up").records("nothing to do"), 1)
	assert.Equal(t, "1 up applied 1/1, 2 up applied 1/1", w.history())
}
