package history

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/executor"
	"github.com/shiplock/shiplock/internal/test/pgtest"
)

// The server would send a notice for each further CREATE TABLE IF NOT EXISTS.
func TestImportRuns_Twice_CreatesHistoryTableOnce(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	db, log := executor.OpenWithLockTimeout(t, d, 0)
	require.NoError(t, db.ImportRuns(t.Context(), []Entry{{Version: 1, Name: "a", Direction: "up"}, {Version: 2, Name: "b", Direction: "up"}}))
	require.NoError(t, db.ImportRuns(t.Context(), []Entry{{Version: 3, Name: "c", Direction: "up"}}))
	assert.Empty(t, log.String())
	assert.Equal(t, "1 2 3", d.Value(t, "SELECT string_agg(migration_version::text, ' ' ORDER BY run_id) FROM schema_migrations_history WHERE run_outcome = 'imported'"))
}
