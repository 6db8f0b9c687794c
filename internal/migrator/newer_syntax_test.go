package migrator_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/migrationerror"
	"github.com/shiplock/shiplock/internal/migrator"
	"github.com/shiplock/shiplock/internal/test/fixture"
	"github.com/shiplock/shiplock/internal/test/pgtest"
)

// virtual is a table definition that PostgreSQL 18 supports and the parser does not.
const virtual = "CREATE TABLE t (a int, b int GENERATED ALWAYS AS (a * 2) VIRTUAL);\n"

// temporalKeys has a key and a foreign key that hold for each moment of a period.
const temporalKeys = "CREATE EXTENSION IF NOT EXISTS btree_gist;\n" +
	"CREATE TABLE k (id int, during daterange, PRIMARY KEY (id, during WITHOUT OVERLAPS));\n" +
	"CREATE TABLE stays (room int, during daterange, CONSTRAINT stay_room FOREIGN KEY (room, PERIOD during) REFERENCES k (id, PERIOD during));\n"

// TestUp_SyntaxNewerThanParser_Applied checks that an unknown statement does not hide the others.
func TestUp_SyntaxNewerThanParser_Applied(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ sql, query, want string }{
		"by itself":              {virtual + "INSERT INTO t VALUES (1);", "SELECT b FROM t", "2"},
		"in a transaction":       {"BEGIN;\n" + virtual + "INSERT INTO t VALUES (1);\nCOMMIT;", "SELECT b FROM t", "2"},
		"in two":                 {"BEGIN;\n" + virtual + "COMMIT;\nBEGIN;\nINSERT INTO t VALUES (1);\nCOMMIT;", "SELECT b FROM t", "2"},
		"beside CONCURRENTLY":    {virtual + "INSERT INTO t VALUES (1);\nCREATE INDEX CONCURRENTLY i ON t (a);", "SELECT indisvalid FROM pg_index WHERE indexrelid = 'i'::regclass", "true"},
		"statement by statement": {"-- shiplock:no-transaction\n" + virtual + "VACUUM t;\nINSERT INTO t VALUES (1);", "SELECT b FROM t", "2"},
		"refuses a transaction":  {"VACUUM ONLY e;", "SELECT 1", "1"},
		"refuses, among others":  {virtual + "VACUUM ONLY e;\nINSERT INTO t VALUES (1);", "SELECT b FROM t", "2"},
		"refuses, unseen":        {"-- shiplock:no-transaction\n" + virtual + "REINDEX TABLE parts;\nINSERT INTO t VALUES (1);", "SELECT b FROM t", "2"},
		"temporal key":           {"CREATE EXTENSION IF NOT EXISTS plpgsql;\nCREATE TABLE k (id int4range, during daterange, PRIMARY KEY (id, during WITHOUT OVERLAPS));", "SELECT count(*) FROM pg_constraint WHERE conrelid = 'k'::regclass AND contype = 'p'", "1"},
		"temporal foreign key": {
			temporalKeys, "SELECT string_agg(conname, ' ' ORDER BY conname) FROM pg_constraint WHERE conperiod", "k_pkey stay_room",
		},
		"temporal key beside CONCURRENTLY": {
			"CREATE INDEX CONCURRENTLY before_all ON e (a);\n" + temporalKeys + "CREATE INDEX CONCURRENTLY i ON k (id);\nALTER TABLE stays DROP CONSTRAINT stay_room;",
			"SELECT string_agg(indexrelid::regclass::text, ' ' ORDER BY indexrelid::regclass::text) FROM pg_index WHERE indrelid IN ('k'::regclass, 'e'::regclass) AND indisvalid", "before_all i k_pkey",
		},
		"NOT NULL NOT VALID, validated beside CONCURRENTLY": {
			"ALTER TABLE e ADD CONSTRAINT given NOT NULL a NOT VALID;\nCREATE INDEX CONCURRENTLY i ON e (a);\nALTER TABLE e VALIDATE CONSTRAINT given;",
			"SELECT convalidated FROM pg_constraint WHERE conname = 'given'", "true",
		},
		"NOT ENFORCED": {
			"ALTER TABLE e ADD CONSTRAINT positive CHECK (a > 0) NOT ENFORCED;\nINSERT INTO e VALUES (-1);", "SELECT a FROM e", "-1",
		},
		"RETURNING old and new": {
			"INSERT INTO e VALUES (1);\nCREATE TABLE log AS SELECT 0 AS before, 0 AS after WHERE false;\n" +
				"WITH u AS (UPDATE e SET a = 5 RETURNING old.a AS before, new.a AS after) INSERT INTO log SELECT * FROM u;", "SELECT before + after FROM log", "6",
		},
		"NOT NULL NOT VALID":      {"ALTER TABLE e ADD CONSTRAINT given NOT NULL a NOT VALID;\nDO $$ BEGIN INSERT INTO e VALUES (3); END $$;", "SELECT count(*) FROM e", "1"},
		"psql, COPY, body, quote": {"\\restrict x\n" + virtual + "/* ; */ COPY t (a) FROM stdin;\n1\n\\.\nCREATE FUNCTION f() RETURNS int BEGIN ATOMIC; SELECT 1; SELECT 2; END;\nDO $a$ BEGIN PERFORM ';'; END $a$;\n\\unrestrict x\n", "SELECT b + f() FROM t", "4"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := pgtest.Version(t, 18)
			_, err := d.Open(t).Exec("CREATE TABLE e (a int); CREATE TABLE parts (a int) PARTITION BY LIST (a); CREATE INDEX ON parts (a)")
			require.NoError(t, err)
			o := newOptions(t, d, fixture.Files(t, "-- 1_new.up.sql --\n"+c.sql+"\n-- 2_next.up.sql --\nSELECT 1;\n"))
			_, err = migrator.Up(t.Context(), o)
			require.NoError(t, err)
			assert.Equal(t, c.want, d.Value(t, c.query))
			assert.Equal(t, "2 f", d.Value(t, version))
			assert.Equal(t, "1 applied, 2 applied", d.Value(t, outcomes))
		})
	}
}

// TestUp_FailureNextToNewerSyntax_Reported checks that the position is reported, and that nothing unreported is applied.
func TestUp_FailureNextToNewerSyntax_Reported(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		sql       string
		code      string
		line      int
		statement int // from 0
		outcome   migrationerror.Outcome
		done      int
		tables    string
	}{
		"a syntax error":                    {virtual + "CREATE TABEL u (a int);", "42601", 2, 1, migrationerror.RolledBack, 0, "z"},
		"a syntax error in a transaction":   {"BEGIN;\n" + virtual + "CREATE TABEL u (a int);\nCOMMIT;", "42601", 3, 1, migrationerror.RolledBack, 0, "z"},
		"a syntax error, by statement":      {"-- shiplock:no-transaction\n" + virtual + "SELECT 1;\nCREATE TABEL u (a int);", "42601", 4, 2, migrationerror.RolledBack, 0, "z"},
		"a syntax error beside an index":    {virtual + "CREATE INDEX CONCURRENTLY i ON t (a);\nCREATE UNIQUE INDEX CONCURRENTLY j ON t (a;", "42601", 3, 2, migrationerror.RolledBack, 0, "z"},
		"an unclosed quote":                 {virtual + "SELECT 'a;\n", "42601", 2, 1, migrationerror.RolledBack, 0, "z"},
		"an unclosed comment":               {virtual + "SELECT 1; /* a\n", "42601", 2, -2, migrationerror.RolledBack, 0, "z"},
		"no SQL":                            {"hello world\n", "42601", 1, 0, migrationerror.RolledBack, 0, "z"},
		"an error":                          {virtual + "SELECT 1;\nSELECT nope;", "42703", 3, 2, migrationerror.RolledBack, 0, "z"},
		"an error without a place":          {virtual + "SELECT 1;\nSELECT 1 / (SELECT 0);", "22012", 3, 2, migrationerror.RolledBack, 0, "z"},
		"an error, by statement":            {"-- shiplock:no-transaction\n" + virtual + "SELECT nope;", "42703", 3, 1, migrationerror.PartiallyApplied, 1, "schema_migrations schema_migrations_history t z"},
		"refuses a transaction, in several": {virtual + "CREATE TABLE u (a int);\nREINDEX TABLE parts;", "25001", 3, 2, migrationerror.RolledBack, 0, "z"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := pgtest.Version(t, 18)
			_, err := d.Open(t).Exec("CREATE TABLE z (a int); CREATE TABLE parts (a int) PARTITION BY LIST (a); CREATE INDEX ON parts (a)")
			require.NoError(t, err)
			_, err = migrator.Up(t.Context(), newOptions(t, d, fixture.Files(t, "-- 1_new.up.sql --\n"+c.sql+"\n")))
			var fail *migrationerror.Error
			require.ErrorAs(t, err, &fail)
			assert.Equal(t, c.code, string(fail.Server().Code))
			line, _ := fail.Position()
			assert.Equal(t, c.line, line)
			if c.statement >= -1 {
				assert.Equal(t, c.statement, fail.FailedIndex)
			}
			assert.Equal(t, c.outcome, fail.Outcome)
			assert.Equal(t, c.done, fail.StatementsApplied)
			assert.Equal(t, c.tables, d.Value(t, tables))
		})
	}
}

// TestUp_ConcurrentIndexFailsNextToNewerSyntax_Resumed checks that the next run resumes a partially applied file with
// statements that the parser does not know before and after the failed one.
func TestUp_ConcurrentIndexFailsNextToNewerSyntax_Resumed(t *testing.T) {
	t.Parallel()
	d := pgtest.Version(t, 18)
	o := newOptions(t, d, fixture.Files(t, "-- 1_new.up.sql --\n"+virtual+`INSERT INTO t VALUES (1), (1);
CREATE UNIQUE INDEX CONCURRENTLY i ON t (a);
ALTER TABLE t ADD CONSTRAINT given NOT NULL a NOT VALID;
`))
	_, err := migrator.Up(t.Context(), o)
	var fail *migrationerror.Error
	require.ErrorAs(t, err, &fail)
	assert.Equal(t, migrationerror.PartiallyApplied, fail.Outcome)
	assert.Equal(t, 2, fail.StatementsApplied)

	d.Exec(t, "DELETE FROM t WHERE ctid = (SELECT min(ctid) FROM t)")
	_, err = migrator.Up(t.Context(), o)
	require.NoError(t, err)
	assert.Equal(t, "true", d.Value(t, "SELECT indisvalid FROM pg_index WHERE indexrelid = 'i'::regclass"))
	assert.Equal(t, "given", d.Value(t, "SELECT conname FROM pg_constraint WHERE conrelid = 't'::regclass AND contype = 'n'"))
	assert.Equal(t, "1", d.Value(t, "SELECT count(*) FROM t"), "a statement ran twice")
}

// TestDown_DataLossNextToNewerSyntax_Refused checks that an unknown statement does not hide the loss of rows by another one,
// and that dropping a virtual column, which has no data of its own, is no loss.
func TestDown_DataLossNextToNewerSyntax_Refused(t *testing.T) {
	t.Parallel()
	d := pgtest.Version(t, 18)
	o := newOptions(t, d, fixture.Files(t, "-- 1_new.up.sql --\nCREATE TABLE u (a int);\n"+virtual+`
-- 1_new.down.sql --
ALTER TABLE t ADD CONSTRAINT given NOT NULL a NOT VALID;
DROP TABLE u;
-- 2_column.up.sql --
ALTER TABLE t ADD c int GENERATED ALWAYS AS (a * 3) VIRTUAL;
-- 2_column.down.sql --
ALTER TABLE t DROP c;
`))
	_, err := migrator.Up(t.Context(), o)
	require.NoError(t, err)
	d.Exec(t, "INSERT INTO u VALUES (1); INSERT INTO t VALUES (1)")
	o.AllowDataLoss = false
	_, err = migrator.Down(t.Context(), o, 1)
	require.NoError(t, err)
	_, err = migrator.Down(t.Context(), o, 0)
	var loss *migrator.DataLossError
	require.ErrorAs(t, err, &loss)
	assert.Equal(t, "1", d.Value(t, "SELECT count(*) FROM u"))
	o.AllowDataLoss = true
	_, err = migrator.Down(t.Context(), o, 0)
	require.NoError(t, err)
	assert.Equal(t, "schema_migrations schema_migrations_history t", d.Value(t, tables))
}
