package cli_test

import (
	"fmt"
	"net/url"
	"testing"

	"github.com/golang-migrate/migrate/v4/database"
	upstream "github.com/golang-migrate/migrate/v4/database/postgres"
	"github.com/lib/pq"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestUp_GolangMigrateTableParameter_SameTable compares the version table that Shiplock derives from
// golang-migrate's URL parameters with the one that golang-migrate creates.
func TestUp_GolangMigrateTableParameter_SameTable(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		query, schema, table string
		supported            bool // golang-migrate accepts the URL
	}{
		{"x-migrations-table=shop.migrations", "public", "shop.migrations", true},
		{"x-migrations-table=shop.migrations&x-migrations-table-quoted=0", "public", "shop.migrations", true},
		{"x-migrations-table=" + url.QueryEscape(`"shop"."migrations"`), "public", `"shop"."migrations"`, true},
		{"x-migrations-table-quoted=true&x-migrations-table=" + url.QueryEscape(`"shop"."migrations"`), "shop", "migrations", true},
		{"x-migrations-table-quoted=1&x-migrations-table=" + url.QueryEscape(`"shop.migrations"`), "public", "shop.migrations", true},
		{"search_path=shop&x-migrations-table=Versions", "shop", "Versions", true},
		{"x-migrations-table=", "public", "schema_migrations", true},
	} {
		t.Run(c.query, func(t *testing.T) {
			t.Parallel()
			w := newWorkspace(t, map[string]string{"1_a.up.sql": "CREATE TABLE a (n int);", "2_b.up.sql": "CREATE TABLE b (n int);"})
			w.Exec(t, fmt.Sprintf("CREATE SCHEMA shop AUTHORIZATION %s", pq.QuoteIdentifier(w.User)))
			migrator, err := (&upstream.Postgres{}).Open(w.URL() + "&" + c.query)
			require.NoError(t, err)
			require.NoError(t, migrator.SetVersion(1, false))
			require.NoError(t, migrator.Close())
			out := call(t.Context(), "up", "--source", w.dir, "--database-url", w.URL()+"&"+c.query)
			require.Zero(t, out.code, out.err)
			assert.Equal(t, "f t", w.Value(t, `SELECT concat_ws(' ', bool_or(relname = 'a'), bool_or(relname = 'b')) FROM pg_class WHERE relname IN ('a', 'b')`),
				"the version that golang-migrate set must be used")
			assert.Equal(t, "2", w.Value(t, "SELECT version FROM "+pq.QuoteIdentifier(c.schema)+"."+pq.QuoteIdentifier(c.table)))
			assert.Equal(t, "1", w.Value(t, `SELECT count(*) FROM information_schema.columns WHERE column_name = 'dirty' AND data_type = 'boolean'
				AND (SELECT count(*) FROM information_schema.columns c WHERE c.table_schema = columns.table_schema AND c.table_name = columns.table_name) = 2`), "there is no second version table")
			var driver database.Driver
			driver, err = (&upstream.Postgres{}).Open(w.URL() + "&" + c.query)
			require.NoError(t, err)
			version, dirty, err := driver.Version()
			require.NoError(t, err)
			require.NoError(t, driver.Close())
			assert.Equal(t, 2, version)
			assert.False(t, dirty)
		})
	}
}

func TestUp_UnsupportedGolangMigrateParameter_Refused(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t, map[string]string{"1_a.up.sql": "CREATE TABLE a (n int);"})
	for name, c := range map[string]struct {
		query string
		args  []string
	}{
		"x-statement-timeout":       {query: "x-statement-timeout=500"},
		"x-multi-statement":         {query: "x-multi-statement=true"},
		"x-migrations-table-quoted": {query: "x-migrations-table=shop.migrations&x-migrations-table-quoted=true"},
		"x-lock-strategy":           {query: "x-lock-strategy=table"},
		"x-migrations-table":        {query: "x-migrations-table=a", args: []string{"--table", "schema_migrations"}},
	} {
		out := call(t.Context(), append([]string{"up", "--source", w.dir, "--database-url", w.URL() + "&" + c.query}, c.args...)...)
		assert.Equal(t, 2, out.code, out.err)
		assert.Contains(t, out.err, name)
	}
	assert.Empty(t, w.Value(t, "SELECT to_regclass('a')"))
	out := call(t.Context(), "status", "--source", w.dir, "--database-url", w.URL()+"&x-statement-timeout=500&x-multi-statement=true")
	assert.Zero(t, out.code, out.err)
	out = call(t.Context(), "up", "--statement-timeout", "5m", "--source", w.dir, "--database-url", w.URL()+"&x-statement-timeout=500")
	assert.Zero(t, out.code, out.err)
}
