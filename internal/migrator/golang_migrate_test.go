package migrator_test

import (
	"testing"

	"github.com/golang-migrate/migrate/v4"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/migrator"
	"github.com/shiplock/shiplock/internal/planner"
	"github.com/shiplock/shiplock/internal/script"
	"github.com/shiplock/shiplock/internal/source"
	"github.com/shiplock/shiplock/internal/test/fixture"
)

// TestUp_FilesThatGolangMigrateRejects_Applied runs files that need workarounds with
// golang-migrate.
func TestUp_FilesThatGolangMigrateRejects_Applied(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, files, stock, query, want string }{
		{
			name: "a dump empties the search_path of the files after it",
			files: `
-- 1_dump.up.sql --
SELECT pg_catalog.set_config('search_path', '', false);
CREATE TABLE public.a (b int);
-- 2_next.up.sql --
CREATE TABLE c (d int);
`,
			stock: "no schema has been selected to create in",
			query: "SELECT to_regclass('public.c')", want: "c",
		},
		{
			name: "a setting reaches the files after it",
			files: `
-- 1_a.up.sql --
SET default_transaction_read_only = on;
-- 2_b.up.sql --
CREATE TABLE a (b int);
`,
			stock: "read-only transaction",
			query: "SELECT to_regclass('a')", want: "a",
		},
		{
			name:  "a byte order mark",
			files: "-- 1_a.up.sql --\n\ufeffCREATE TABLE a (b int);\n",
			stock: "syntax error",
			query: "SELECT to_regclass('a')", want: "a",
		},
		{
			name: "two indexes built concurrently in one file",
			files: `
-- 1_a.up.sql --
CREATE TABLE a (b int, c int);
-- 2_b.up.sql --
SET statement_timeout = 0;
CREATE INDEX CONCURRENTLY i ON a (b);
CREATE INDEX CONCURRENTLY j ON a (c);
-- 3_c.up.sql --
CREATE TABLE current_timeout AS SELECT current_setting('statement_timeout');
`,
			stock: "cannot run inside a transaction block",
			query: "SELECT string_agg(indexrelid::regclass::text, ' ' ORDER BY 1) FROM pg_index WHERE indrelid = 'a'::regclass AND indisvalid", want: "i j",
		},
		{
			name:  "LOCK TABLE alone",
			files: "-- 1_a.up.sql --\nCREATE TABLE a (b int);\n-- 2_b.up.sql --\nLOCK TABLE a;\n",
			stock: "can only be used in transaction blocks",
			query: "SELECT version || ' ' || dirty FROM schema_migrations", want: "2 false",
		},
		{
			name:  "a savepoint without BEGIN",
			files: "-- 1_a.up.sql --\nSAVEPOINT s;\nCREATE TABLE a (b int);\nROLLBACK TO s;\nCREATE TABLE c (d int);\n",
			stock: "can only be used in transaction blocks",
			query: "SELECT concat(to_regclass('a'), to_regclass('c'))", want: "c",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := fixture.Files(t, c.files)
			require.ErrorContains(t, newGolangMigrate(t, newDatabase(t), dir).Up(), c.stock)
			d := newDatabase(t)
			_, err := migrator.Up(t.Context(), newOptions(t, d, dir))
			require.NoError(t, err)
			assert.Equal(t, c.want, d.Value(t, c.query))
		})
	}
}

// TestUp_SettingInFile_ResetAfterFile covers an intentional difference from golang-migrate,
// with which the schema of "a" depends on whether the two files run in one invocation.
func TestUp_SettingInFile_ResetAfterFile(t *testing.T) {
	t.Parallel()
	dir := fixture.Files(t, `
-- 1_a.up.sql --
CREATE SCHEMA app;
SET search_path TO app;
-- 2_b.up.sql --
CREATE TABLE a (b int);
`)
	const place = "SELECT relnamespace::regnamespace FROM pg_class WHERE relname = 'a'"
	atOnce, byTwo, shiplock := newDatabase(t), newDatabase(t), newDatabase(t)
	require.NoError(t, newGolangMigrate(t, atOnce, dir).Up())
	assert.Equal(t, "app", atOnce.Value(t, place))
	require.NoError(t, newGolangMigrate(t, byTwo, dir).Steps(1))
	require.NoError(t, newGolangMigrate(t, byTwo, dir).Up())
	assert.Equal(t, "public", byTwo.Value(t, place))

	_, err := migrator.Up(t.Context(), newOptions(t, shiplock, dir))
	require.NoError(t, err)
	assert.Equal(t, "public", shiplock.Value(t, place))
}

// TestDown_MissingDownFile_Refuses covers a case in which golang-migrate lowers the version
// and does not change the schema.
func TestDown_MissingDownFile_Refuses(t *testing.T) {
	t.Parallel()
	dir := fixture.Files(t, `
-- 1_a.up.sql --
CREATE TABLE a (b int);
-- 2_b.up.sql --
CREATE TABLE c (d int);
-- 3_c.up.sql --
CREATE TABLE e (f int);
-- 3_c.down.sql --
DROP TABLE e;
`)
	d := newDatabase(t)
	m := newGolangMigrate(t, d, dir)
	require.NoError(t, m.Up())
	require.NoError(t, m.Down())
	assert.Equal(t, "a c", d.Value(t, "SELECT concat_ws(' ', to_regclass('a'), to_regclass('c'), to_regclass('e'))"), "stays")
	_, _, err := m.Version()
	require.ErrorIs(t, err, migrate.ErrNilVersion)

	d = newDatabase(t)
	o := newOptions(t, d, dir)
	_, err = migrator.Up(t.Context(), o)
	require.NoError(t, err)
	before := describeDatabase(t, d)
	for _, to := range []uint{0, 1} {
		_, err = migrator.Down(t.Context(), o, to)
		var refusal *planner.Refusal
		require.ErrorAs(t, err, &refusal)
		assert.Contains(t, refusal.Error(), "version 2 (b) has no down file")
		assert.Equal(t, before, describeDatabase(t, d), "not even version 3 is rolled back")
	}
	result, err := migrator.Down(t.Context(), o, 2)
	require.NoError(t, err)
	assertResult(t, migrator.Result{From: 3, To: 2, Applied: 1}, []string{"3 c down"}, result)
	assert.Empty(t, d.Value(t, "SELECT to_regclass('e')"))
}

// TestUp_TransactionLeftOpen_Refuses covers a case in which golang-migrate runs the file and
// is then blocked by its own session, with a dirty version.
func TestUp_TransactionLeftOpen_Refuses(t *testing.T) {
	t.Parallel()
	files := func(open string) string {
		return fixture.Files(t, "-- 1_a.up.sql --\nCREATE TABLE a (b int);\n-- 2_b.up.sql --\n"+open+"-- 3_c.up.sql --\nCREATE TABLE e (f int);\n")
	}
	const forgotten = "BEGIN;\nCREATE TABLE c (d int);\n"
	require.ErrorContains(t, newGolangMigrate(t, newDatabase(t), files(forgotten)).Up(), "idle in transaction")

	d := newDatabase(t)
	_, err := migrator.Up(t.Context(), newOptions(t, d, fixture.Files(t, "-- 1_a.up.sql --\nCREATE TABLE a (b int);\n")))
	require.NoError(t, err)
	before := describeDatabase(t, d)
	for _, open := range []string{
		forgotten,
		"BEGIN;\nCREATE TABLE c (d int);\nCOMMIT AND CHAIN;\n",
		"BEGIN;\nCREATE TABLE c (d int);\nCOMMIT;\nSTART TRANSACTION;\nSELECT 1;\n",
	} {
		_, err := migrator.Up(t.Context(), newOptions(t, d, files(open)))
		var ended *migrator.RunError
		require.ErrorAs(t, err, &ended, open)
		assert.Zero(t, ended.Applied)
		var unusable *script.ScriptError
		require.ErrorAs(t, err, &unusable, open)
		assert.Equal(t, "2_b.up.sql", unusable.File)
		assert.Equal(t, before, describeDatabase(t, d), open)
	}
}

// TestUp_UnrecognizedFiles_IgnoredOrRefused covers files that golang-migrate ignores without a warning.
func TestUp_UnrecognizedFiles_IgnoredOrRefused(t *testing.T) {
	t.Parallel()
	dir := fixture.Files(t, threeMigrations+"-- 126-dash.up.sql --\nSELECT nope;\n-- 143.dot.down.sql --\nSELECT nope;\n-- seed.sql --\nSELECT nope;\n")
	require.NoError(t, newGolangMigrate(t, newDatabase(t), dir).Up())

	d := newDatabase(t)
	o := newOptions(t, d, dir)
	_, err := migrator.Up(t.Context(), o)
	var unusable *source.NameError
	require.ErrorAs(t, err, &unusable)
	o.Unrecognized = source.IgnoreUnrecognized
	result, err := migrator.Up(t.Context(), o)
	require.NoError(t, err)
	assert.Equal(t, 3, result.Applied)
}
