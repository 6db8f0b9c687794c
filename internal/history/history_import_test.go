package history_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/history"
	"github.com/shiplock/shiplock/internal/test/fixture"
	"github.com/shiplock/shiplock/internal/test/pgtest"
	"github.com/shiplock/shiplock/internal/test/teststore"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

func TestOpen_NoSchema_Fails(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	_, err := history.Open(t.Context(), teststore.Options(t, d.URL()+"&search_path=nowhere"), history.Options{Table: teststore.Table})
	assert.ErrorIs(t, err, history.ErrNoSchema)
}

// The server would send a notice for each further CREATE TABLE IF NOT EXISTS.
func TestImport_Twice_CreatesHistoryTableOnce(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	var log fixture.Log
	o := teststore.Options(t, d.URL())
	o.Log = log.Logger()
	db := teststore.OpenWith(t, o, history.Options{Table: teststore.Table})
	require.NoError(t, db.Import(t.Context(), []history.Entry{{Version: 1, Name: "a", Direction: "up"}, {Version: 2, Name: "b", Direction: "up"}}))
	require.NoError(t, db.Import(t.Context(), []history.Entry{{Version: 3, Name: "c", Direction: "up"}}))
	assert.Empty(t, log.String())
	assert.Equal(t, "1 2 3", d.Value(t, "SELECT string_agg(migration_version::text, ' ' ORDER BY run_id) FROM schema_migrations_history WHERE run_outcome = 'imported'"))
}
