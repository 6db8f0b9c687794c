package pgtest_test

import (
	"database/sql"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/test/pgtest"
)

func TestProxy_Queries_RoundTripsAreCounted(t *testing.T) {
	t.Parallel()
	d, proxy := pgtest.New(t).Proxied(t, 0)
	conn, err := openURL(t, d).Conn(t.Context())
	require.NoError(t, err)
	for _, c := range []struct {
		name, query string
		args        []any
		trips       int
	}{
		{"one", "SELECT 1", nil, 1},
		{"several statements at once", "CREATE TABLE a (b text); INSERT INTO a VALUES (1); SELECT 2", nil, 1},
		{"much data", "INSERT INTO a SELECT repeat('x', 100000); INSERT INTO a SELECT repeat('Z', 300000) RETURNING b", nil, 1},
		{"a parameter", "SELECT $1::int", []any{1}, 2},
		{"messages between", "DO $$ BEGIN FOR i IN 1..100 LOOP RAISE INFO '%', repeat('Z', i); END LOOP; END $$", nil, 1},
	} {
		before := proxy.RoundTrips()
		_, err := conn.ExecContext(t.Context(), c.query, c.args...)
		require.NoError(t, err, c.name)
		assert.Equal(t, c.trips, proxy.RoundTrips()-before, c.name)
	}
	require.NoError(t, conn.Close())
}

func TestProxy_Delay_QueriesTakeLonger(t *testing.T) {
	t.Parallel()
	const delay = 20 * time.Millisecond
	d, proxy := pgtest.New(t).Proxied(t, delay)
	db := openURL(t, d)
	require.NoError(t, db.Ping())
	before, began := proxy.RoundTrips(), time.Now()
	const queries = 5
	for range queries {
		_, err := db.Exec("SELECT 1")
		require.NoError(t, err)
	}
	assert.Equal(t, queries, proxy.RoundTrips()-before)
	assert.GreaterOrEqual(t, time.Since(began), queries*2*delay)
}

func openURL(t *testing.T, d *pgtest.Database) *sql.DB {
	t.Helper()
	db, err := sql.Open("postgres", d.URL())
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() })
	return db
}
