package migrator_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/migrator"
	"github.com/shiplock/shiplock/internal/test/fixture"
)

// variedMigrations returns n different transactional migrations.
func variedMigrations(n int) string {
	shapes := []string{
		"CREATE TABLE t%[1]d (a int);",
		"CREATE TABLE t%[1]d (a int);\nINSERT INTO t%[1]d SELECT generate_series(1, 100);\nCREATE INDEX ON t%[1]d (a);",
		"SET search_path = pg_catalog;\nSELECT set_config('lock_timeout', '1s', false);\nCREATE TABLE public.t%[1]d (a int);",
		"BEGIN;\nCREATE TABLE t%[1]d (a int);\nCOMMIT;",
		"CREATE TABLE t%[1]d (a int);\nDO $$ BEGIN RAISE NOTICE '%[1]d'; INSERT INTO t%[1]d VALUES (1); END $$;",
	}
	var out strings.Builder
	for v := 1; v <= n; v++ {
		fmt.Fprintf(&out, "-- %d_x.up.sql --\n"+shapes[v%len(shapes)]+"\n-- %[1]d_x.down.sql --\nDROP TABLE t%[1]d;\n", v)
	}
	return out.String()
}

// TestUp_SmallMigration_TwoRoundTrips counts round trips, which determine the duration of a
// run across a network. The cost of k migrations is the difference between runs with and
// without them, because connecting, locking and planning cost the same.
func TestUp_SmallMigration_TwoRoundTrips(t *testing.T) {
	t.Parallel()
	const few, many = 5, 25
	up := func(t *testing.T, o migrator.Options, n int) (migrator.Result, error) {
		o.Source = fixture.Files(t, variedMigrations(n))
		return migrator.Up(t.Context(), o)
	}
	for name, run := range map[string]struct {
		before int // migrations that have run already
		txMode migrator.TxMode
		pooled bool
		each   int
		take   func(t *testing.T, o migrator.Options, n int) (migrator.Result, error)
	}{
		"on an empty database": {each: 2, take: up},
		"with a history table": {each: 2, before: few, take: func(t *testing.T, o migrator.Options, n int) (migrator.Result, error) {
			return up(t, o, few+n)
		}},
		"a release at once":           {each: 2, take: up, txMode: migrator.TxModeAll},
		"behind a transaction pooler": {each: 3, take: up, pooled: true}, // the lock, too
		"down": {each: 2, before: many + 1, take: func(t *testing.T, o migrator.Options, n int) (migrator.Result, error) {
			return migrator.Down(t.Context(), o, uint(many+1-n))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			trips := func(n int) int {
				d := newDatabase(t)
				if run.pooled {
					d = d.Pooled(t, "transaction")
				}
				d, proxy := d.Proxied(t, 0)
				o := newOptions(t, d, fixture.Files(t, variedMigrations(max(run.before, 1))))
				o.TxMode = run.txMode
				if run.before > 0 {
					_, err := migrator.Up(t.Context(), o)
					require.NoError(t, err)
				}
				before := proxy.RoundTrips()
				result, err := run.take(t, o, n)
				require.NoError(t, err)
				require.Equal(t, n, result.Applied)
				return proxy.RoundTrips() - before
			}
			base, more := trips(few), trips(many)
			t.Logf("%d migrations: %d round trips, %d: %d", few, base, many, more)
			assert.LessOrEqual(t, more-base, run.each*(many-few))
			// Eighteen of these check whether the proxy is a pooler; a direct connection has none of them.
			assert.LessOrEqual(t, base-run.each*few, 30, "connecting, locking and planning")
		})
	}
}
