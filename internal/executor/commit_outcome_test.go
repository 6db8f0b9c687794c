package executor

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/history"
	"github.com/shiplock/shiplock/internal/migrationerror"
	"github.com/shiplock/shiplock/internal/test/fixture"
	"github.com/shiplock/shiplock/internal/test/pgtest"
)

// slowCommit is a migration whose COMMIT waits for the test, as it may wait for a synchronous
// standby or deferred constraints. Its backend does not check its client.
const slowCommit = `CREATE TABLE a (b int);
CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql SET client_connection_check_interval = 0 AS $$
	BEGIN PERFORM pg_advisory_lock_shared(42), pg_advisory_unlock_shared(42); RETURN NULL; END $$;
CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$;
CREATE CONSTRAINT TRIGGER a AFTER INSERT ON a DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION slow();
INSERT INTO a VALUES (1);
`

const (
	committing = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'shiplock' AND wait_event = 'advisory'"
	sessions   = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'shiplock'"
)

// The connection is closed during COMMIT, when another session cannot see the outcome yet.
func TestApply_ConnectionLostDuringCommit_WaitsForOutcome(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ more, history, table string }{
		"succeeds": {history: "0 imported, 1 applied", table: "a"},
		"fails": {
			more:    "CREATE CONSTRAINT TRIGGER b AFTER INSERT ON a DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION fail(); INSERT INTO a VALUES (2);",
			history: "0 imported, 1 failed",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := pgtest.New(t)
			through, proxy := d.Proxied(t, 0)
			db := openSession(t, through)
			acquireLock(t, db)
			require.NoError(t, db.store.Import(t.Context(), []history.Entry{{Version: 0, Name: "initial", Direction: "up"}})) // a failure is recorded only if the history table exists
			blocker, err := d.Admin().Conn(t.Context())
			require.NoError(t, err)
			defer blocker.Close()
			_, err = blocker.ExecContext(t.Context(), "SELECT pg_advisory_lock(42)")
			require.NoError(t, err)
			done := make(chan *migrationerror.Error, 1)
			go func() { done <- applySQL(t, db, slowCommit+c.more) }()
			fixture.Eventually(t, d, committing, "1")
			proxy.Cut()
			fixture.Eventually(t, d, sessions, "2") // the session that reads the outcome
			_, err = blocker.ExecContext(t.Context(), "SELECT pg_advisory_unlock(42)")
			require.NoError(t, err)
			fail := <-done
			assert.Equal(t, c.table == "", fail != nil, "%v", fail)
			if fail != nil {
				assert.Equal(t, migrationerror.RolledBack, fail.Outcome)
			}
			assert.Equal(t, c.table, d.Value(t, "SELECT to_regclass('a')"))
			assert.Equal(t, c.history, d.Value(t, "SELECT string_agg(migration_version || ' ' || run_outcome, ', ' ORDER BY run_id) FROM schema_migrations_history"))
		})
	}
}
