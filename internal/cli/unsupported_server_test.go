package cli_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/shiplock/shiplock/internal/test/fixture"
	"github.com/shiplock/shiplock/internal/test/pgtest"
)

// cockroachVersion is the result of version() of a CockroachDB, which is not available where the tests run.
const cockroachVersion = "CockroachDB CCL v24.3.5 (x86_64-pc-linux-gnu, built 2025/02/03 17:28:15, go1.22.8 X:nocoverageredesign)"

// TestUnsupportedServer_EachCommand_Refused checks that no command uses a server that is too old or not PostgreSQL.
func TestUnsupportedServer_EachCommand_Refused(t *testing.T) {
	t.Parallel()
	other := pgtest.New(t)
	other.Exec(t, "CREATE OR REPLACE FUNCTION pg_catalog.version() RETURNS text AS $$SELECT '"+cockroachVersion+"'$$ LANGUAGE sql")
	dir := fixture.FileMap(t, map[string]string{"1_x.up.sql": "CREATE TABLE a (b int)"})
	for name, d := range map[string]*pgtest.Database{"server-too-old": pgtest.Version(t, 13), "server-not-postgresql": other} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, command := range [][]string{
				{"plan", "--source", dir}, {"status", "--source", dir}, {"history"}, {"wait", "--source", dir},
				{"down", "--source", dir, "--to", "0"}, {"repair", "--applied", "--source", dir}, {"exec", "--", "false"},
			} {
				out := call(t.Context(), slices.Insert(command, 1, "--database-url", d.URL())...)
				assert.Equal(t, 2, out.code, "%s: %s", command, out.err)
				assert.Contains(t, out.err, "cannot use database", command)
			}
			out := call(t.Context(), "up", "--source", dir, "--database-url", d.URL())
			assert.Equal(t, 2, out.code)
			golden(t, name, out.err)
			assert.Empty(t, d.Value(t, "SELECT string_agg(relname, ' ') FROM pg_class WHERE relnamespace = 'public'::regnamespace"))
		})
	}
}
