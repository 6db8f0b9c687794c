package executor

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/dataloss"
	"github.com/shiplock/shiplock/internal/planner"
	"github.com/shiplock/shiplock/internal/source"
	"github.com/shiplock/shiplock/internal/test/pgtest"
)

// dataFixture has data in every form that a down step can delete.
const dataFixture = `
CREATE TABLE full_of (id int PRIMARY KEY, note text, nothing text, twice int GENERATED ALWAYS AS (id * 2) STORED);
INSERT INTO full_of SELECT n, CASE WHEN n < 4 THEN 'x' END FROM generate_series(1, 5) n;
CREATE TABLE empty (id int);
CREATE TABLE "Many rows" (id int); INSERT INTO "Many rows" SELECT generate_series(1, 1001);
CREATE TABLE child (of int REFERENCES full_of); INSERT INTO child VALUES (1);
CREATE SCHEMA app; CREATE TABLE app.t (a int); INSERT INTO app.t VALUES (1); CREATE TABLE app.u (a int);
CREATE TABLE parted (d int) PARTITION BY RANGE (d); CREATE TABLE part_1 PARTITION OF parted FOR VALUES FROM (0) TO (9); INSERT INTO parted VALUES (1);
CREATE VIEW v AS SELECT 1; CREATE MATERIALIZED VIEW mv AS SELECT 1;
CREATE TYPE mood AS ENUM ('ok'); CREATE TABLE moods (m mood, ms mood[]); INSERT INTO moods VALUES ('ok');
CREATE EXTENSION citext; CREATE TABLE mails (m citext); INSERT INTO mails VALUES ('a');
CREATE TABLE hidden (a int); INSERT INTO hidden VALUES (1); ALTER TABLE hidden ENABLE ROW LEVEL SECURITY; ALTER TABLE hidden FORCE ROW LEVEL SECURITY;
`

func TestDataLosses_Statements_AreCounted(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	db := openSession(t, d)
	require.NoError(t, db.session.Exec(t.Context(), dataFixture))
	d.Exec(t, `CREATE TABLE foreign_owner (a int); INSERT INTO foreign_owner VALUES (1);
		CREATE FOREIGN DATA WRAPPER other; CREATE SERVER other FOREIGN DATA WRAPPER other; CREATE FOREIGN TABLE away (a int) SERVER other;
		CREATE FUNCTION bucket(a int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT $1 % 10';
		CREATE TABLE bucketed (a int) PARTITION BY LIST (bucket(a)); CREATE TABLE bucket_1 PARTITION OF bucketed DEFAULT; INSERT INTO bucketed VALUES (1); GRANT SELECT ON bucketed TO PUBLIC`)
	for sql, want := range map[string]string{
		"":                   "",
		"SELECT nope":        "",
		"DROP TABLE full_of": "DROP TABLE public.full_of 5",
		"drop table if exists Full_Of, empty, nope cascade": "DROP TABLE public.full_of 5",
		`DROP TABLE "Many rows"`:                            `DROP TABLE public."Many rows" 1000+`,
		"DROP TABLE empty; DROP VIEW v; DROP MATERIALIZED VIEW mv; DROP INDEX nope; DROP FUNCTION f": "",
		"DROP TABLE parted":             "DROP TABLE public.parted 1",
		"DROP TABLE part_1":             "DROP TABLE public.part_1 1",
		"ALTER TABLE full_of DROP note": "DROP COLUMN public.full_of.note 3",
		"ALTER TABLE full_of DROP COLUMN nothing, DROP twice, DROP COLUMN IF EXISTS nope, ALTER note SET DEFAULT ''": "",
		"TRUNCATE empty, child":    "TRUNCATE public.child 1",
		"TRUNCATE full_of CASCADE": "TRUNCATE public.full_of 5; TRUNCATE CASCADE public.child 1",
		"DELETE FROM full_of":      "DELETE public.full_of 5",
		"DELETE FROM full_of f WHERE f.id > 3 AND f.note IS NULL RETURNING *":                 "DELETE public.full_of 2",
		"DELETE FROM full_of WHERE id = 99":                                                   "",
		"DELETE FROM full_of f USING child c WHERE c.of = f.id":                               "DELETE public.full_of 1",
		"WITH gone AS (DELETE FROM child RETURNING *) INSERT INTO full_of SELECT * FROM gone": "DELETE public.child 1",
		"DELETE FROM full_of WHERE yet_to_come = 1":                                           `DELETE public.full_of ? column "yet_to_come" does not exist`,
		"DELETE FROM empty WHERE yet_to_come = 1":                                             "",
		"DROP SCHEMA app CASCADE":                                                             "DROP SCHEMA app.t 1",
		"DROP SCHEMA app":                                                                     "",
		"DROP TYPE mood CASCADE":                                                              "DROP TYPE public.moods.m 1",
		"DROP TYPE mood":                                                                      "",
		"DROP EXTENSION citext CASCADE":                                                       "DROP EXTENSION public.mails.m 1",
		"DROP FUNCTION bucket(int) CASCADE":                                                   "DROP FUNCTION public.bucketed 1",
		"DROP FUNCTION bucket(int)":                                                           "",
		"DELETE FROM away WHERE a = 1":                                                        `DELETE  ? "away" is a foreign table; its rows are on another server`,
		"DROP FOREIGN TABLE away":                                                             "",
		"SET search_path TO app; DROP TABLE t; DROP TABLE full_of":                            "DROP TABLE app.t 1",
		"DROP TABLE t":                                                                        "",
		"DROP TABLE hidden":                                                                   `DROP TABLE public.hidden ? query would be affected by row-level security policy for table "hidden"`,
		"DROP TABLE foreign_owner; DROP TABLE child":                                          "DROP TABLE public.foreign_owner ? permission denied for table foreign_owner; DROP TABLE public.child 1",
		"DROP OWNED BY me":                                                                    "DROP OWNED  ? it drops everything that a role owns",
		"DO $$ BEGIN EXECUTE 'DROP   TABLE full_of'; END $$":                                  "DO  ? a DO block deletes rows or drops objects, which are known only at run time",
		"DO $$ BEGIN RAISE NOTICE 'x'; END $$":                                                "",
		"MERGE INTO full_of USING child ON of = id WHEN MATCHED THEN DELETE":                  "MERGE  ? MERGE deletes rows, which are known only at run time",
		"DROP TABLE full_of SOMEHOW":                                                          "DROP TABLE full_of SOMEHOW  ? the parser does not support this SQL",
		// names move on the way
		"ALTER TABLE full_of RENAME TO f; DROP TABLE f":                                                                          "DROP TABLE public.full_of 5",
		"ALTER TABLE app.t RENAME TO x; ALTER TABLE app.x SET SCHEMA public; TRUNCATE public.x":                                  "TRUNCATE app.t 1",
		"ALTER TABLE full_of RENAME note TO n; ALTER TABLE full_of DROP n":                                                       "DROP COLUMN public.full_of.note 3",
		"ALTER TABLE full_of ADD extra int; ALTER TABLE full_of DROP extra":                                                      "",
		"CREATE TABLE new (a int); INSERT INTO new VALUES (1); DROP TABLE new":                                                   "",
		"CREATE TABLE copy AS SELECT * FROM full_of; DROP TABLE full_of; ALTER TABLE copy RENAME TO full_of; DROP TABLE full_of": "DROP TABLE public.full_of 5",
		"ALTER TABLE full_of RENAME TO f; CREATE TABLE full_of (a int); DROP TABLE full_of":                                      "",
		"CREATE TEMP TABLE tt (a int); DROP TABLE tt":                                                                            "",
	} {
		t.Run(sql, func(t *testing.T) {
			losses, err := findLosses(t, db, 0, step{"1_x.down.sql", sql})
			require.NoError(t, err)
			var got []string
			for _, l := range losses {
				name := l.Table
				if l.Column != "" {
					name += "." + l.Column
				}
				n := fmt.Sprint(l.Rows)
				if l.AtLeast {
					n += "+"
				}
				if l.Unknown != "" {
					n = "? " + l.Unknown
				}
				got = append(got, strings.Join([]string{l.How, name, n}, " "))
				assert.Equal(t, 1, l.Line)
			}
			assert.Equal(t, want, strings.Join(got, "; "))
		})
	}
}

// A step is a file to run.
type step struct{ file, sql string }

// findLosses returns the data that the steps would delete; applied statements of the first have run.
func findLosses(t *testing.T, db *Executor, applied int, steps ...step) ([]dataloss.Loss, error) {
	t.Helper()
	fsys := fstest.MapFS{}
	for _, s := range steps {
		fsys[s.file] = &fstest.MapFile{Data: []byte(s.sql)}
	}
	catalog, err := source.Read(fsys, "m", source.FailUnrecognized)
	require.NoError(t, err)
	var planned []planner.Step
	for _, s := range steps {
		name, err := source.ParseFileName(s.file)
		require.NoError(t, err)
		m, _ := catalog.Find(name.Version)
		direction := source.Up
		if name.Down {
			direction = source.Down
		}
		planned = append(planned, planner.Step{Migration: m, Direction: direction})
	}
	losses, _, err := db.losses.Find(t.Context(), catalog, planned, applied)
	return losses, err
}

// Renamed tables are tracked across files, statements that were applied already delete nothing, and
// up steps are left out.
func TestDataLosses_SeveralSteps_TrackNames(t *testing.T) {
	t.Parallel()
	db := openSession(t, pgtest.New(t))
	require.NoError(t, db.session.Exec(t.Context(), dataFixture))
	losses, err := findLosses(t, db, 1,
		step{"9_x.down.sql", "DROP TABLE child;\n-- it stopped here\nALTER TABLE full_of RENAME TO f;\n"},
		step{"8_x.up.sql", "DROP TABLE moods"},
		step{"7_x.down.sql", "SELECT 1;\n\n  DROP TABLE f;"},
	)
	require.NoError(t, err)
	require.Len(t, losses, 1)
	assert.Equal(t, dataloss.Loss{Step: 2, File: "7_x.down.sql", Line: 3, How: "DROP TABLE", Table: "public.full_of", Rows: 5}, losses[0])
	assert.Equal(t, "5 rows of table public.full_of (DROP TABLE, 7_x.down.sql:3)", losses[0].String())
}

// A count that reaches its timeout does not hide other tables, and is not an error.
func TestDataLosses_CountTimeout_IsUnknown(t *testing.T) {
	t.Parallel()
	db := openSession(t, pgtest.New(t))
	require.NoError(t, db.session.Exec(t.Context(), dataFixture))
	losses, err := findLosses(t, db, 0, step{"1_x.down.sql", "DELETE FROM full_of WHERE pg_sleep(60) IS NULL; DROP TABLE child"})
	require.NoError(t, err)
	require.Len(t, losses, 2)
	assert.Equal(t, "canceling statement due to statement timeout", losses[0].Unknown)
	assert.Equal(t, 1, losses[1].Rows)
}
