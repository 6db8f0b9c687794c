package migrator_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/migrator"
	"github.com/shiplock/shiplock/internal/source"
	"github.com/shiplock/shiplock/internal/test/pgtest"
)

// TestUp_ExampleSets_SameSchemaAsGolangMigrate compares Shiplock with golang-migrate, with
// sets that resemble large public migration sets. Both must produce the same database, and
// switching from one to the other and back must work in the middle of a set.
func TestUp_ExampleSets_SameSchemaAsGolangMigrate(t *testing.T) {
	t.Parallel()
	sets, err := os.ReadDir("testdata")
	require.NoError(t, err)
	require.NotEmpty(t, sets)
	for _, set := range sets {
		t.Run(set.Name(), func(t *testing.T) {
			t.Parallel()
			dir, err := filepath.Abs(filepath.Join("testdata", set.Name()))
			require.NoError(t, err)
			files, err := source.Open(dir, source.FailUnrecognized)
			require.NoError(t, err)
			all := files.All()
			half := all[len(all)/2].Version
			want := golangMigrateStates(t, dir, half)

			t.Run("up, down, up", func(t *testing.T) {
				t.Parallel()
				d := newDatabase(t)
				result, err := migrator.Up(t.Context(), newOptions(t, d, dir))
				require.NoError(t, err)
				assert.Equal(t, []int{-1, int(files.Latest()), len(all), len(all), 0}, []int{result.From, result.To, result.Applied, len(result.Steps), len(result.RolledBack())})
				require.Equal(t, want.up, describeDatabase(t, d))
				_, err = migrator.Down(t.Context(), newOptions(t, d, dir), half)
				require.NoError(t, err)
				require.Equal(t, want.downToHalf, describeDatabase(t, d))
				_, err = migrator.Down(t.Context(), newOptions(t, d, dir), 0)
				require.NoError(t, err)
				require.Equal(t, want.down, describeDatabase(t, d))
				_, err = migrator.Up(t.Context(), newOptions(t, d, dir))
				require.NoError(t, err)
				assert.Equal(t, want.upAgain, describeDatabase(t, d))
			})
			t.Run("begun with golang-migrate", func(t *testing.T) {
				t.Parallel()
				d := newDatabase(t)
				m := newGolangMigrate(t, d, dir)
				require.NoError(t, m.Migrate(half))
				_, err := migrator.Up(t.Context(), newOptions(t, d, dir))
				require.NoError(t, err)
				require.Equal(t, want.up, describeDatabase(t, d))
				_, err = migrator.Down(t.Context(), newOptions(t, d, dir), 0)
				require.NoError(t, err)
				assert.Equal(t, want.down, describeDatabase(t, d))
			})
			t.Run("ended with golang-migrate", func(t *testing.T) {
				t.Parallel()
				d := newDatabase(t)
				_, err := migrator.Up(t.Context(), newOptions(t, d, writeFilesUpTo(t, files, dir, half)))
				require.NoError(t, err)
				require.Equal(t, want.upToHalf, describeDatabase(t, d))
				m := newGolangMigrate(t, d, dir)
				require.NoError(t, m.Up())
				require.Equal(t, want.up, describeDatabase(t, d))
				require.NoError(t, m.Down())
				assert.Equal(t, want.down, describeDatabase(t, d))
			})
		})
	}
}

// states are descriptions of the database after golang-migrate ran a set.
type states struct{ upToHalf, up, downToHalf, down, upAgain string }

func golangMigrateStates(t *testing.T, dir string, half uint) (s states) {
	t.Helper()
	d := newDatabase(t)
	m := newGolangMigrate(t, d, dir)
	require.NoError(t, m.Migrate(half))
	s.upToHalf = describeDatabase(t, d)
	require.NoError(t, m.Up())
	s.up = describeDatabase(t, d)
	require.NoError(t, m.Migrate(half))
	s.downToHalf = describeDatabase(t, d)
	require.NoError(t, m.Down())
	s.down = describeDatabase(t, d)
	require.NoError(t, m.Up())
	s.upAgain = describeDatabase(t, d)
	require.NotEqual(t, s.up, s.down)
	return s
}

// newDatabase returns a database with the role that the sets grant privileges to; roles belong to the whole server.
func newDatabase(t *testing.T) *pgtest.Database {
	t.Helper()
	d := pgtest.New(t)
	d.Exec(t, `DO $$ BEGIN CREATE ROLE booking_reader; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$`)
	return d
}

// writeFilesUpTo writes the files up to version last to a new directory.
func writeFilesUpTo(t *testing.T, c *source.Catalog, dir string, last uint) string {
	t.Helper()
	older := t.TempDir()
	for _, m := range c.All() {
		for _, name := range []string{m.Up, m.Down} {
			if m.Version > last || name == "" {
				continue
			}
			text, err := os.ReadFile(filepath.Join(dir, name))
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(filepath.Join(older, name), text, 0o600))
		}
	}
	return older
}
