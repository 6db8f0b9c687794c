package migrator_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/migrator"
	"github.com/shiplock/shiplock/internal/test/fixture"
)

// A rollback is a test case: migrations, data, and the expected data loss.
type rollback struct {
	ups, downs []string // of versions 1, 2 …
	data       string   // what the application has written since
	// rows is a query whose result must not change if data would be lost.
	rows string
	// seen is set if the run detects the loss, not the count before it.
	seen bool
}

func (r rollback) archive() string {
	var out strings.Builder
	for i, up := range r.ups {
		fmt.Fprintf(&out, "-- %d_m.up.sql --\n%s\n-- %[1]d_m.down.sql --\n%[3]s\n", i+1, up, r.downs[i])
	}
	return out.String()
}

const t1 = "CREATE TABLE t (id int PRIMARY KEY, note text)"

var losing = map[string]rollback{
	"a table comes back to its schema": {
		ups:   []string{"CREATE SCHEMA s; " + t1, "ALTER TABLE t SET SCHEMA s"},
		downs: []string{"DROP TABLE t; DROP SCHEMA s", "ALTER TABLE s.t SET SCHEMA public"},
		data:  "INSERT INTO s.t VALUES (1)", rows: "SELECT count(*) FROM s.t",
	},
	"the schema is renamed": {
		ups:   []string{"CREATE SCHEMA s; CREATE TABLE s.t (id int)", "ALTER SCHEMA s RENAME TO u"},
		downs: []string{"DROP TABLE s.t; DROP SCHEMA s", "ALTER SCHEMA u RENAME TO s"},
		data:  "INSERT INTO u.t VALUES (1)", rows: "SELECT count(*) FROM u.t",
	},
	"the schema is dropped with what has moved into it": {
		ups: []string{"CREATE SCHEMA s; " + t1}, downs: []string{"ALTER TABLE t SET SCHEMA s; DROP SCHEMA s CASCADE"},
		data: "INSERT INTO t VALUES (1)", rows: "SELECT count(*) FROM t",
	},
	"search_path by SET": {
		ups: []string{"CREATE SCHEMA s; CREATE TABLE s.t (id int)"}, downs: []string{"SET search_path = s; DROP TABLE t; RESET search_path; DROP SCHEMA s"},
		data: "INSERT INTO s.t VALUES (1)", rows: "SELECT count(*) FROM s.t",
	},
	"search_path by set_config": {
		ups: []string{"CREATE SCHEMA s; CREATE TABLE s.t (id int)"}, downs: []string{"SELECT set_config('search_path', '\"s\", public', false); DROP TABLE t"},
		data: "INSERT INTO s.t VALUES (1)", rows: "SELECT count(*) FROM s.t",
	},
	"a view's RENAME for a table": {
		ups: []string{t1}, downs: []string{"ALTER TABLE public.t RENAME TO gone; DROP TABLE IF EXISTS gone"},
		data: "INSERT INTO t VALUES (1)", rows: "SELECT count(*) FROM t",
	},
	"names change places": {
		ups: []string{t1 + "; CREATE TABLE empty (id int)"}, downs: []string{"ALTER TABLE t RENAME TO x; ALTER TABLE empty RENAME TO t; ALTER TABLE x RENAME TO empty; DROP TABLE public.empty"},
		data: "INSERT INTO t VALUES (1)", rows: "SELECT count(*) FROM t",
	},
	"a column is renamed": {
		ups: []string{t1}, downs: []string{"ALTER TABLE t RENAME note TO n; ALTER TABLE public.t DROP COLUMN n"},
		data: "INSERT INTO t VALUES (1, 'x')", rows: "SELECT count(note) FROM t",
	},
	"a partition is attached": {
		ups: []string{t1}, downs: []string{"CREATE TABLE p (id int NOT NULL, note text) PARTITION BY RANGE (id); ALTER TABLE p ATTACH PARTITION t DEFAULT; DROP TABLE p"},
		data: "INSERT INTO t VALUES (1)", rows: "SELECT count(*) FROM t",
	},
	"a child is given a parent": {
		ups: []string{t1}, downs: []string{"CREATE TABLE p (id int NOT NULL); ALTER TABLE t INHERIT p; DROP TABLE p CASCADE"},
		data: "INSERT INTO t VALUES (1)", rows: "SELECT count(*) FROM t",
	},
	"DELETE on a view": {
		ups: []string{t1 + "; CREATE VIEW v AS SELECT * FROM t"}, downs: []string{"DELETE FROM v"},
		data: "INSERT INTO t VALUES (1)", rows: "SELECT count(*) FROM t",
	},
	"a condition that becomes true on the way": {
		ups: []string{t1}, downs: []string{"UPDATE t SET id = -id; DELETE FROM t WHERE id < 0"},
		data: "INSERT INTO t VALUES (1)", rows: "SELECT id FROM t",
	},
	"a type with USING": {
		ups: []string{t1}, downs: []string{"ALTER TABLE t ALTER COLUMN note TYPE int USING length(note)"},
		data: "INSERT INTO t VALUES (1, 'x')", rows: "SELECT note FROM t",
	},
	"a type that rounds": {
		ups: []string{"CREATE TABLE t (id numeric)"}, downs: []string{"ALTER TABLE t ALTER COLUMN id TYPE int"},
		data: "INSERT INTO t VALUES (1.5)", rows: "SELECT id FROM t",
	},
	"a type's attribute": {
		ups: []string{"CREATE TYPE pair AS (a int, b int); CREATE TABLE t (p pair)"}, downs: []string{"ALTER TYPE pair DROP ATTRIBUTE b CASCADE"},
		data: "INSERT INTO t VALUES ((1, 2))", rows: "SELECT p FROM t",
	},
	"a column is emptied": {
		ups: []string{t1}, downs: []string{"UPDATE t SET note = NULL"},
		data: "INSERT INTO t VALUES (1, 'x')", rows: "SELECT note FROM t",
	},
	"columns are emptied together": {
		ups: []string{t1 + "; ALTER TABLE t ADD other text"}, downs: []string{"UPDATE public.t AS x SET (other, note) = ('y', DEFAULT) FROM generate_series(1, 2) n WHERE x.id = n"},
		data: "INSERT INTO t VALUES (1, 'x')", rows: "SELECT note FROM t",
	},
	"a column is emptied by ON CONFLICT": {
		ups: []string{t1}, downs: []string{"INSERT INTO t VALUES (1) ON CONFLICT (id) DO UPDATE SET note = NULL"},
		data: "INSERT INTO t VALUES (1, 'x')", rows: "SELECT note FROM t",
	},
	"DO": {
		ups: []string{t1}, downs: []string{"DO $$ BEGIN EXECUTE format('DROP %s %I', 'TABLE', 't'); END $$"},
		data: "INSERT INTO t VALUES (1)", rows: "SELECT count(*) FROM t",
	},
	"a name that only a DO block makes": {
		ups: []string{t1}, downs: []string{"DO $$ BEGIN EXECUTE 'ALTER TABLE t RENAME TO ' || 'u'; END $$; DROP TABLE u"},
		data: "INSERT INTO t VALUES (1)", rows: "SELECT count(*) FROM t",
	},
	"a function that calls another": {
		ups: []string{t1 + `; CREATE FUNCTION inner_one() RETURNS void LANGUAGE plpgsql AS 'BEGIN EXECUTE ''TRUNCATE t''; END';
			CREATE FUNCTION outer_one() RETURNS void LANGUAGE sql AS 'SELECT inner_one()'`}, downs: []string{"SELECT outer_one()"},
		data: "INSERT INTO t VALUES (1)", rows: "SELECT count(*) FROM t",
	},
	"a function of the down itself": {
		ups: []string{t1}, downs: []string{"CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS 'BEGIN TRUNCATE t; END'; SELECT f(); DROP FUNCTION f()"},
		data: "INSERT INTO t VALUES (1)", rows: "SELECT count(*) FROM t",
	},
	"a procedure": {
		ups: []string{t1 + "; CREATE PROCEDURE f() LANGUAGE plpgsql AS 'BEGIN DELETE FROM t; END'"}, downs: []string{"CALL f()"},
		data: "INSERT INTO t VALUES (1)", rows: "SELECT count(*) FROM t",
	},
	"a writable WITH": {
		ups: []string{t1 + "; CREATE TABLE u (id int)"}, downs: []string{"WITH gone AS (DELETE FROM t RETURNING id) INSERT INTO u SELECT id FROM gone"},
		data: "INSERT INTO t VALUES (1)", rows: "SELECT count(*) FROM t",
	},
	"PREPARE and EXECUTE": {
		ups: []string{t1}, downs: []string{"PREPARE p AS DELETE FROM t; EXECUTE p; DEALLOCATE p"},
		data: "INSERT INTO t VALUES (1)", rows: "SELECT count(*) FROM t",
	},
	"a collation": {
		ups: []string{`CREATE COLLATION c FROM "C"; CREATE TABLE t (id int, note text COLLATE c)`}, downs: []string{"DROP COLLATION c CASCADE"},
		data: "INSERT INTO t VALUES (1, 'x')", rows: "SELECT note FROM t",
	},
	"the row type of a table": {
		ups: []string{"CREATE TABLE kind (a int); CREATE TABLE t (k kind)"}, downs: []string{"DROP TABLE kind CASCADE"},
		data: "INSERT INTO t VALUES (ROW(1))", rows: "SELECT k FROM t",
	},
	"DROP OWNED": {
		ups: []string{t1}, downs: []string{"DROP OWNED BY CURRENT_USER"},
		data: "INSERT INTO t VALUES (1)", rows: "SELECT count(*) FROM t",
	},
	"a trigger": {
		ups: []string{t1 + `; CREATE TABLE other (id int); CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN DELETE FROM t; RETURN NULL; END';
			CREATE TRIGGER tr AFTER INSERT ON other EXECUTE FUNCTION f()`}, downs: []string{"INSERT INTO other VALUES (1)"},
		data: "INSERT INTO t VALUES (1)", rows: "SELECT count(*) FROM t", seen: true,
	},
	"a rule": {
		ups: []string{t1 + `; CREATE TABLE other (id int); CREATE RULE r AS ON INSERT TO other DO ALSO DELETE FROM t`}, downs: []string{"INSERT INTO other VALUES (1)"},
		data: "INSERT INTO t VALUES (1)", rows: "SELECT count(*) FROM t", seen: true,
	},
	"a foreign key of a table that a trigger deletes from": {
		ups: []string{`CREATE TABLE parent (id int PRIMARY KEY); CREATE TABLE t (id int REFERENCES parent ON DELETE CASCADE); CREATE TABLE other (id int);
			CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN DELETE FROM parent; RETURN NULL; END';
			CREATE TRIGGER tr AFTER INSERT ON other EXECUTE FUNCTION f()`}, downs: []string{"BEGIN; INSERT INTO other VALUES (1); COMMIT; SELECT 1"},
		data: "INSERT INTO parent VALUES (1); INSERT INTO t VALUES (1)", rows: "SELECT count(*) FROM t", seen: true,
	},
	"a trigger renames": {
		ups: []string{t1 + `; CREATE TABLE empty (id int); CREATE TABLE other (id int); CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS
			'BEGIN ALTER TABLE t RENAME TO x; ALTER TABLE empty RENAME TO t; ALTER TABLE x RENAME TO empty; RETURN NULL; END';
			CREATE TRIGGER tr AFTER INSERT ON other EXECUTE FUNCTION f()`}, downs: []string{"INSERT INTO other VALUES (1); DROP TABLE empty"},
		data: "INSERT INTO t VALUES (1)", rows: "SELECT count(*) FROM t", seen: true,
	},
}

// TestDown_DataWouldBeLost_Refuses checks that no data is deleted without --allow-data-loss,
// however the script would delete it, and that with it the rollback runs.
func TestDown_DataWouldBeLost_Refuses(t *testing.T) {
	t.Parallel()
	for name, r := range losing {
		for _, mode := range []migrator.TxMode{migrator.TxModeFile, migrator.TxModeAll} {
			t.Run(name+", one transaction a "+string(mode), func(t *testing.T) {
				t.Parallel()
				if mode == migrator.TxModeAll && strings.Contains(r.downs[0], "BEGIN;") {
					t.Skip("has transactions of its own")
				}
				d := newDatabase(t)
				o := newOptions(t, d, fixture.Files(t, r.archive()))
				_, err := migrator.Up(t.Context(), o)
				require.NoError(t, err)
				d.Exec(t, r.data)
				before := d.Value(t, r.rows)
				o.AllowDataLoss, o.TxMode = false, mode
				_, err = migrator.Down(t.Context(), o, 0)
				var loss *migrator.DataLossError
				require.ErrorAs(t, err, &loss)
				assert.Equal(t, r.seen, loss.Run != nil, "%v", err)
				assert.NotEmpty(t, loss.Losses[0].How)
				assert.Equal(t, before, d.Value(t, r.rows))
				assert.Equal(t, fmt.Sprintf("%d f", len(r.ups)), d.Value(t, version))
				if !r.seen {
					zero := uint(0)
					p, err := migrator.PlanDown(t.Context(), o, &zero)
					require.NoError(t, err)
					found := 0
					for _, s := range p.Steps {
						found += len(s.Loses)
					}
					assert.Positive(t, found)
				}
				if name == "DROP OWNED" {
					return // it would take the version table with it
				}
				o.AllowDataLoss = true
				_, err = migrator.Down(t.Context(), o, 0)
				require.NoError(t, err)
			})
		}
	}
}

// TestDown_NothingToLose_Runs checks that an ordinary rollback needs no flag.
func TestDown_NothingToLose_Runs(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]rollback{
		"a table comes back to its schema": {
			ups:   []string{"CREATE SCHEMA s; " + t1, "ALTER TABLE t SET SCHEMA s"},
			downs: []string{"DROP TABLE t; DROP SCHEMA s", "ALTER TABLE s.t SET SCHEMA public"},
		},
		"a partition is detached first": {
			ups:   []string{"CREATE TABLE p (id int) PARTITION BY RANGE (id); CREATE TABLE part PARTITION OF p DEFAULT; CREATE TABLE kept (id int)"},
			downs: []string{"ALTER TABLE p DETACH PARTITION part; DROP TABLE p"}, data: "INSERT INTO part VALUES (1)", rows: "SELECT count(*) FROM part",
		},
		"a table moves out of the schema": {
			ups: []string{"CREATE SCHEMA s; CREATE TABLE s.t (id int)"}, downs: []string{"ALTER TABLE s.t SET SCHEMA public; DROP SCHEMA s CASCADE"},
			data: "INSERT INTO s.t VALUES (1)",
		},
		"a column that the rollback has made": {
			ups:   []string{t1 + "; ALTER TABLE t ADD old int DEFAULT 1", "ALTER TABLE t DROP COLUMN old"},
			downs: []string{"ALTER TABLE t DROP COLUMN old", "ALTER TABLE t ADD COLUMN old int DEFAULT 1; UPDATE t SET old = 2"},
			data:  "INSERT INTO t VALUES (1, 'x')",
		},
		"a table that the rollback has made": {
			ups:   []string{t1 + "; CREATE TABLE old (id int)", "DROP TABLE old"},
			downs: []string{"DELETE FROM old; TRUNCATE public.old; DROP TABLE old", "CREATE TABLE old AS SELECT id FROM t"},
			data:  "INSERT INTO t VALUES (1, 'x')",
		},
		"a column is filled again": {
			ups: []string{t1 + "; ALTER TABLE t ADD old text"}, downs: []string{"ALTER TABLE t ADD COLUMN price int; UPDATE t SET price = 1; ALTER TABLE t DROP COLUMN old, DROP COLUMN IF EXISTS nope"},
			data: "INSERT INTO t VALUES (1, 'x')",
		},
		"a value is changed": {ups: []string{t1}, downs: []string{"UPDATE t SET note = lower(note) WHERE id > 0; UPDATE t SET note = 'z'; INSERT INTO t VALUES (1) ON CONFLICT (id) DO UPDATE SET note = excluded.note || 'y'"}, data: "INSERT INTO t VALUES (1, 'X')"},
		"a wider type":       {ups: []string{t1}, downs: []string{"ALTER TABLE t ALTER id TYPE bigint, ALTER note TYPE varchar"}, data: "INSERT INTO t VALUES (1, 'X')"},
		"objects without rows": {
			ups: []string{t1 + `; CREATE INDEX i ON t (note); CREATE VIEW v AS SELECT * FROM t; CREATE MATERIALIZED VIEW mv AS SELECT * FROM t; CREATE SEQUENCE q; CREATE TYPE mood AS ENUM ('a');
				CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'; ALTER TABLE t ADD CONSTRAINT c CHECK (id > 0)`},
			downs: []string{"DROP VIEW v; DROP MATERIALIZED VIEW mv CASCADE; DROP INDEX IF EXISTS i; DROP SEQUENCE q; DROP TYPE mood CASCADE; SELECT f(); DROP FUNCTION f(); ALTER TABLE t DROP CONSTRAINT c; COMMENT ON TABLE t IS 'drop table t'"},
			data:  "INSERT INTO t VALUES (1, 'x')",
		},
		"a DO block that drops a constraint": {
			ups: []string{t1 + "; ALTER TABLE t ADD CONSTRAINT c CHECK (id > 0)"}, data: "INSERT INTO t VALUES (1)",
			downs: []string{"DO $$ BEGIN IF EXISTS (SELECT FROM pg_constraint WHERE conname = 'c') THEN ALTER TABLE t DROP CONSTRAINT c; END IF; END $$"},
		},
		"a copy that the down has made": {
			ups: []string{t1}, data: "INSERT INTO t VALUES (1)",
			downs: []string{"CREATE TABLE copy AS SELECT * FROM t; DELETE FROM copy; INSERT INTO copy SELECT * FROM t; TRUNCATE copy; DROP TABLE copy; CREATE TEMP TABLE tt AS SELECT * FROM t; DELETE FROM tt; DROP TABLE tt"},
		},
		"rows that move to another partition": {
			ups:  []string{"CREATE TABLE p (id int) PARTITION BY LIST (id); CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1); CREATE TABLE p2 PARTITION OF p FOR VALUES IN (2)"},
			data: "INSERT INTO p VALUES (1)", downs: []string{"UPDATE p SET id = id + 1"},
		},
		"nothing is there": {ups: []string{t1}, downs: []string{"DROP TABLE IF EXISTS nope, t CASCADE; DROP SCHEMA IF EXISTS nope CASCADE; DROP TYPE IF EXISTS nope CASCADE"}},
		"not one transaction": {
			ups: []string{"CREATE TABLE t (id int);\nCREATE INDEX CONCURRENTLY i ON t (id)"}, downs: []string{"DROP INDEX CONCURRENTLY i;\nALTER TABLE t DROP COLUMN id;\nDROP TABLE t"},
		},
		"with its own timeouts": {ups: []string{t1}, downs: []string{"SET statement_timeout = '1min'; SET row_security = on; DROP TABLE t;\nDO $$ BEGIN ASSERT current_setting('statement_timeout') = '1min' AND current_setting('row_security') = 'on'; END $$"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDatabase(t)
			o := newOptions(t, d, fixture.Files(t, r.archive()))
			_, err := migrator.Up(t.Context(), o)
			require.NoError(t, err)
			before := ""
			if r.data != "" {
				d.Exec(t, r.data)
			}
			if r.rows != "" {
				before = d.Value(t, r.rows)
			}
			o.AllowDataLoss = false
			_, err = migrator.Down(t.Context(), o, 0)
			require.NoError(t, err)
			if r.rows != "" {
				assert.Equal(t, before, d.Value(t, r.rows))
			}
		})
	}
}

// TestDown_RowsCommittedAfterTheCount_RollsBack checks that rows that another session commits
// while the DROP waits for its lock are not lost.
func TestDown_RowsCommittedAfterTheCount_RollsBack(t *testing.T) {
	t.Parallel()
	const up = "-- 1_m.up.sql --\nCREATE TABLE t (id int, note text); CREATE TABLE u (id int)\n-- 1_m.down.sql --\n"
	for name, down := range map[string]string{
		"DROP TABLE":           "DROP TABLE u; DROP TABLE t",
		"DROP COLUMN":          "ALTER TABLE t DROP COLUMN note",
		"TRUNCATE":             "TRUNCATE t, u",
		"a type":               "ALTER TABLE t ALTER note TYPE int USING length(note)",
		"UPDATE":               "UPDATE t SET note = NULL",
		"DROP SCHEMA":          "ALTER TABLE t SET SCHEMA s; DROP SCHEMA s CASCADE",
		"a big file":           "INSERT INTO u SELECT 1;\n" + strings.Repeat("INSERT INTO u VALUES (1); -- "+strings.Repeat("x", 1000)+"\n", 300) + "DROP TABLE t",
		"SERIALIZABLE":         "BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT count(*) FROM u; DROP TABLE t; COMMIT",
		"several transactions": "BEGIN; DROP TABLE t; COMMIT; SELECT 1",
		"no transaction":       "DROP TABLE t;\nDROP INDEX CONCURRENTLY IF EXISTS nope",
	} {
		for _, pooled := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, pooled %t", name, pooled), func(t *testing.T) {
				t.Parallel()
				d := newDatabase(t)
				_, err := d.Open(t).Exec("CREATE SCHEMA s")
				require.NoError(t, err)
				to := d
				if pooled {
					if strings.Contains(name, "transaction") {
						t.Skip("needs a session")
					}
					to = d.Pooled(t, "transaction")
				}
				o := newOptions(t, to, fixture.Files(t, up+down))
				_, err = migrator.Up(t.Context(), o)
				require.NoError(t, err)
				app, err := d.Open(t).Begin()
				require.NoError(t, err)
				_, err = app.Exec("INSERT INTO t VALUES (1, 'x')")
				require.NoError(t, err)
				o.AllowDataLoss = false
				ended := make(chan error, 1)
				go func() {
					_, err := migrator.Down(context.WithoutCancel(t.Context()), o, 0)
					ended <- err
				}()
				require.Eventually(t, func() bool {
					return d.Value(t, "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())") == "true" || len(ended) > 0
				}, time.Minute, 10*time.Millisecond)
				require.Empty(t, ended)
				require.NoError(t, app.Commit())
				err = <-ended
				var loss *migrator.DataLossError
				require.ErrorAs(t, err, &loss)
				require.NotNil(t, loss.Run)
				assert.Contains(t, loss.Losses[0].Table, "t")
				assert.Equal(t, "1_m.down.sql", loss.Losses[0].File)
				assert.Equal(t, "1 x", d.Value(t, "SELECT concat(id, ' ', note) FROM t"))
				assert.Equal(t, "1 f", d.Value(t, version))
			})
		}
	}
}

// TestDown_ManyMigrations_CountedInBatches checks that hundreds of downs exceed no limit of
// the server, and that one that cannot be counted does not hide others.
func TestDown_ManyMigrations_CountedInBatches(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	var archive strings.Builder
	const many = 300
	for i := 1; i <= many; i++ {
		fmt.Fprintf(&archive, "-- %d_m.up.sql --\nCREATE TABLE t%[1]d (id int);\n-- %[1]d_m.down.sql --\nDROP TABLE t%[1]d;\n", i)
	}
	o := newOptions(t, d, fixture.Files(t, archive.String()))
	_, err := migrator.Up(t.Context(), o)
	require.NoError(t, err)
	d.Exec(t, "INSERT INTO t7 VALUES (1); ALTER TABLE t9 ENABLE ROW LEVEL SECURITY; ALTER TABLE t9 FORCE ROW LEVEL SECURITY; DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET max_stack_depth = %L', current_database(), '300kB'); END $$")
	o.AllowDataLoss = false
	_, err = migrator.Down(t.Context(), o, 0)
	var loss *migrator.DataLossError
	require.ErrorAs(t, err, &loss)
	assert.Len(t, loss.Losses, 2)
	o.AllowDataLoss = true
	_, err = migrator.Down(t.Context(), o, 0)
	require.NoError(t, err)
	assert.Equal(t, tables0, d.Value(t, tables))
}

const tables0 = "schema_migrations schema_migrations_history"
