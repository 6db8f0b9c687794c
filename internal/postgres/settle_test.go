package postgres

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/pgtest"
)

// slowCommit is a migration whose COMMIT takes a while, as it does where many
// deferred constraints are checked or a synchronous standby has to answer.
const slowCommit = `CREATE TABLE a (b int);
CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(1.5); RETURN NULL; END $$;
CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$;
CREATE CONSTRAINT TRIGGER a AFTER INSERT ON a DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION slow();
INSERT INTO a VALUES (1);
`

const committing = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'shiplock' AND wait_event = 'PgSleep'"

// TestACommitThatIsUnderWayIsWaitedFor cuts the connection during the COMMIT: what
// another session sees then is not yet how it ends.
func TestACommitThatIsUnderWayIsWaitedFor(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ more, journal, table string }{
		"it succeeds": {journal: "0 adopted, 1 applied", table: "a"},
		"it fails": {
			more:    "CREATE CONSTRAINT TRIGGER b AFTER INSERT ON a DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION fail(); INSERT INTO a VALUES (2);",
			journal: "0 adopted, 1 failed",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := pgtest.New(t)
			through, proxy := d.Proxied(t, 0)
			db := session(t, through)
			require.NoError(t, db.Lock(t.Context()))
			require.NoError(t, db.Adopt(t.Context(), []Run{{Version: 0, Name: "initial", Direction: "up"}})) // a failure is journaled where there is a journal
			done := make(chan *MigrationError, 1)
			go func() { done <- apply(t, db, slowCommit+c.more) }()
			require.Eventually(t, func() bool { return d.Value(t, committing) == "1" }, 20*time.Second, 10*time.Millisecond)
			proxy.Cut()
			fail := <-done
			assert.Equal(t, c.table == "", fail != nil, "%v", fail)
			if fail != nil {
				assert.Equal(t, RolledBack, fail.Outcome)
			}
			assert.Equal(t, c.table, d.Value(t, "SELECT to_regclass('a')"))
			assert.Equal(t, c.journal, d.Value(t, "SELECT string_agg(version || ' ' || outcome, ', ' ORDER BY id) FROM schema_migrations_journal"))
		})
	}
}
