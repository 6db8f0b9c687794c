package engine_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/engine"
	"github.com/shiplock/shiplock/internal/pgtest"
	"github.com/shiplock/shiplock/internal/source"
)

// TestSetsRunAsWithGolangMigrate holds ours against golang-migrate itself, over
// sets with the shapes that large public migration sets have. Both must leave the
// same database, and a team must be able to change from one to the other, and
// back, in the middle of a set.
func TestSetsRunAsWithGolangMigrate(t *testing.T) {
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
			want := reference(t, dir, half)

			t.Run("up, down, up", func(t *testing.T) {
				t.Parallel()
				d := database(t)
				result, err := engine.Up(t.Context(), options(t, d, dir))
				require.NoError(t, err)
				assert.Equal(t, []int{-1, int(files.Latest()), len(all), len(all), 0}, []int{result.From, result.To, result.Applied, len(result.Steps), len(result.DownSteps())})
				require.Equal(t, want.up, catalog(t, d))
				_, err = engine.Down(t.Context(), options(t, d, dir), half)
				require.NoError(t, err)
				require.Equal(t, want.downToHalf, catalog(t, d))
				_, err = engine.Down(t.Context(), options(t, d, dir), 0)
				require.NoError(t, err)
				require.Equal(t, want.down, catalog(t, d))
				_, err = engine.Up(t.Context(), options(t, d, dir))
				require.NoError(t, err)
				assert.Equal(t, want.upAgain, catalog(t, d))
			})
			t.Run("begun with golang-migrate", func(t *testing.T) {
				t.Parallel()
				d := database(t)
				m := stock(t, d, dir)
				require.NoError(t, m.Migrate(half))
				_, err := engine.Up(t.Context(), options(t, d, dir))
				require.NoError(t, err)
				require.Equal(t, want.up, catalog(t, d))
				_, err = engine.Down(t.Context(), options(t, d, dir), 0)
				require.NoError(t, err)
				assert.Equal(t, want.down, catalog(t, d))
			})
			t.Run("ended with golang-migrate", func(t *testing.T) {
				t.Parallel()
				d := database(t)
				_, err := engine.Up(t.Context(), options(t, d, folderTo(t, files, dir, half)))
				require.NoError(t, err)
				require.Equal(t, want.upToHalf, catalog(t, d))
				m := stock(t, d, dir)
				require.NoError(t, m.Up())
				require.Equal(t, want.up, catalog(t, d))
				require.NoError(t, m.Down())
				assert.Equal(t, want.down, catalog(t, d))
			})
		})
	}
}

// states are what golang-migrate makes of a set.
type states struct{ upToHalf, up, downToHalf, down, upAgain string }

func reference(t *testing.T, dir string, half uint) (s states) {
	t.Helper()
	d := database(t)
	m := stock(t, d, dir)
	require.NoError(t, m.Migrate(half))
	s.upToHalf = catalog(t, d)
	require.NoError(t, m.Up())
	s.up = catalog(t, d)
	require.NoError(t, m.Migrate(half))
	s.downToHalf = catalog(t, d)
	require.NoError(t, m.Down())
	s.down = catalog(t, d)
	require.NoError(t, m.Up())
	s.upAgain = catalog(t, d)
	require.NotEqual(t, s.up, s.down)
	return s
}

// database comes with the role that sets grant rights to; roles belong to the whole server.
func database(t *testing.T) *pgtest.Database {
	t.Helper()
	d := pgtest.New(t)
	d.Exec(t, `DO $$ BEGIN CREATE ROLE booking_reader; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$`)
	return d
}

// folderTo is the release that ended with version last.
func folderTo(t *testing.T, c *source.Catalog, dir string, last uint) string {
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
