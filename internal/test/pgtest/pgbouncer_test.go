package pgtest_test

import (
	"context"
	"database/sql"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/test/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// TestPooled_EachMode_SharesSessions checks that two clients share a server session in the modes that allow it.
func TestPooled_EachMode_SharesSessions(t *testing.T) {
	t.Parallel()
	for mode, same := range map[string]bool{"session": false, "transaction": true, "statement": true} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			pool, err := sql.Open("postgres", pgtest.New(t).Pooled(t, mode).URL())
			require.NoError(t, err)
			defer pool.Close()
			var pids [2]int
			for i := range pids {
				conn, err := pool.Conn(context.Background())
				require.NoError(t, err)
				defer conn.Close()
				require.NoError(t, conn.QueryRowContext(t.Context(), "SELECT pg_backend_pid()").Scan(&pids[i]))
			}
			assert.Equal(t, same, pids[0] == pids[1])
		})
	}
}
