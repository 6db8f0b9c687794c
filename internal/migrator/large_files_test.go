package migrator_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/migrationerror"
	"github.com/shiplock/shiplock/internal/migrator"
	"github.com/shiplock/shiplock/internal/planner"
	"github.com/shiplock/shiplock/internal/test/fixture"
	"github.com/shiplock/shiplock/internal/test/pgtest"
)

// writeLargeFiles writes a migration with COPY rows, one that does not fit in memory, and one
// more.
func writeLargeFiles(t *testing.T, last string) string {
	t.Helper()
	dir := fixture.Files(t, "-- 1_rooms.up.sql --\n\\restrict abc\nCREATE TABLE rooms (id int, name text);\nCOPY rooms FROM stdin;\n1\tblue\n2\tred\n\\.\n\\unrestrict abc\n"+
		"-- 3_last.up.sql --\n"+last)
	var big strings.Builder
	name := strings.Repeat("x", 1000)
	for i := range 4500 {
		fmt.Fprintf(&big, "INSERT INTO rooms VALUES (%d, '%s');\n", i, name)
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "2_big.up.sql"), []byte(big.String()), 0o600))
	return dir
}

func TestUp_LargeFilesAndRows_Applied(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		pooled bool
		txMode migrator.TxMode
	}{
		"each by itself": {}, "a release at once": {txMode: migrator.TxModeAll},
		"behind a pooler": {pooled: true}, "a release behind a pooler": {pooled: true, txMode: migrator.TxModeAll},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDatabase(t)
			to := d
			if c.pooled {
				to = d.Pooled(t, "transaction")
			}
			o := newOptions(t, to, writeLargeFiles(t, "SELECT 1 / 0;"))
			o.TxMode = c.txMode
			_, err := migrator.Up(t.Context(), o)
			var fail *migrationerror.Error
			require.ErrorAs(t, err, &fail)
			assert.Equal(t, "3_last.up.sql", fail.File)
			want := "4502"
			if c.txMode == migrator.TxModeAll {
				want = ""
			}
			assert.Equal(t, want, roomCount(t, d))

			o.Source = writeLargeFiles(t, "SELECT 1;")
			_, err = migrator.Up(t.Context(), o)
			require.NoError(t, err)
			assert.Equal(t, "4502", roomCount(t, d))
			assert.Equal(t, "1 t, 2 f, 3 t", d.Value(t, "SELECT string_agg(migration_version || ' ' || left((up_sql IS NOT NULL)::text, 1), ', ' ORDER BY migration_version) FROM schema_migrations_history WHERE run_outcome = 'applied'"),
				"the history keeps no big file")
			assert.Equal(t, "4500 4500", d.Value(t, "SELECT concat_ws(' ', statements_applied, statements_total) FROM schema_migrations_history WHERE migration_version = 2"))

			result, err := migrator.Up(t.Context(), o)
			require.NoError(t, err)
			assert.Zero(t, result.Applied)
			big := filepath.Join(o.Source, "2_big.up.sql")
			text, err := os.ReadFile(big)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(big, []byte(strings.Replace(string(text), "4499", "4498", 1)), 0o600))
			_, err = migrator.Up(t.Context(), o)
			var refusal *planner.Refusal
			require.ErrorAs(t, err, &refusal, "a change of one digit is noticed")
		})
	}
}

// roomCount returns the number of rooms, or "" if the table does not exist.
func roomCount(t *testing.T, d *pgtest.Database) string {
	if d.Value(t, "SELECT to_regclass('rooms')") == "" {
		return ""
	}
	return d.Value(t, "SELECT count(*) FROM rooms")
}
