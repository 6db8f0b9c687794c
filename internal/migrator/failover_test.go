package migrator_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/config/dsn"
	"github.com/shiplock/shiplock/internal/migrator"
	"github.com/shiplock/shiplock/internal/test/fixture"
)

// TestUp_Failover_Resumes crashes the primary after migration 3 of 6 is committed,
// or while it runs, and later promotes the standby.
func TestUp_Failover_Resumes(t *testing.T) {
	t.Parallel()
	const migrations, crashVersion = 6, 3
	for name, c := range map[string]struct {
		params  string
		message string // of the log, at which the primary crashes
		lost    bool   // the last commit, which the standby has not got
		applied int    // as the run counts it
	}{
		"between two migrations":              {"&target_session_attrs=read-write", "migration completed", false, migrations},
		"between two migrations, any host":    {"", "migration completed", false, migrations},
		"at a migration's begin":              {"&target_session_attrs=primary", "migration started", false, migrations},
		"and the last commit is lost with it": {"&target_session_attrs=read-write", "migration completed", true, migrations + 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDatabase(t)
			pair := d.Pair(t)
			o := newOptions(t, pair.Primary, fixture.Files(t, insertingMigrations(migrations)))
			dsn, err := dsn.Parse(pair.URL() + c.params)
			require.NoError(t, err)
			o.Postgres.DSN, o.Postgres.WaitForDB = dsn, time.Minute
			promoted := make(chan struct{})
			crash := func() {
				if !c.lost {
					pair.Follow(t)
				}
				pair.Crash(t)
				go func() {
					defer close(promoted)
					time.Sleep(time.Second) // a failover is noticed first, and decided on
					pair.Promote(t)
				}()
			}
			if c.lost {
				o = withLogHook(o, "migration started", crashVersion, func() {
					pair.Follow(t)
					pair.Leave(t)
				})
			}
			result, err := migrator.Up(t.Context(), withLogHook(o, c.message, crashVersion, crash))
			<-promoted
			require.NoError(t, err)
			assert.Equal(t, c.applied, result.Applied)
			assert.Equal(t, migrations, result.To)
			assert.Equal(t, fmt.Sprintf("%d %[1]d %[1]d", migrations), pair.Standby.Value(t, everyVersionOnce))
			assert.Equal(t, fmt.Sprintf("%d f", migrations), pair.Standby.Value(t, version))
			assert.Equal(t, fmt.Sprint(migrations), pair.Standby.Value(t, "SELECT count(*) FROM schema_migrations_history WHERE run_outcome = 'applied'"))
		})
	}
}
