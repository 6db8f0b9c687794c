package cli_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/lib/pq"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var guests = map[string]string{
	"1_guests.up.sql": "CREATE TABLE public.guests (id int)", "1_guests.down.sql": "DROP TABLE public.guests",
	"2_rows.up.sql": "INSERT INTO public.guests VALUES (1)", "2_rows.down.sql": "DELETE FROM public.guests",
}

// TestTables_HistoryInAnotherSchema_Refused changes the search_path in each possible way. No command may
// take the empty schema for a new database.
func TestTables_HistoryInAnotherSchema_Refused(t *testing.T) {
	t.Parallel()
	with := func(w *workspace, parameter, value string) string {
		return w.URL() + "&" + url.Values{parameter: {value}}.Encode()
	}
	for name, move := range map[string]func(w *workspace) (databaseURL string){
		"a schema named like the role": func(w *workspace) string {
			w.Exec(w.t, fmt.Sprintf("CREATE SCHEMA AUTHORIZATION %q", w.User))
			return w.URL()
		},
		"ALTER ROLE": func(w *workspace) string {
			w.Exec(w.t, fmt.Sprintf("CREATE SCHEMA app AUTHORIZATION %q; ALTER ROLE %[1]q SET search_path = app, public", w.User))
			return w.URL()
		},
		"ALTER DATABASE": func(w *workspace) string {
			w.Exec(w.t, fmt.Sprintf("CREATE SCHEMA app AUTHORIZATION %q; ALTER DATABASE %q SET search_path = app", w.User, w.Name))
			return w.URL()
		},
		"search_path in the URL": func(w *workspace) string {
			w.Exec(w.t, fmt.Sprintf("CREATE SCHEMA app AUTHORIZATION %q", w.User))
			return with(w, "search_path", "app,public")
		},
		"options in the URL": func(w *workspace) string {
			w.Exec(w.t, fmt.Sprintf("CREATE SCHEMA app AUTHORIZATION %q", w.User))
			return with(w, "options", "-csearch_path=app")
		},
		"USAGE lost": func(w *workspace) string {
			w.Exec(w.t, fmt.Sprintf("ALTER SCHEMA public OWNER TO postgres; CREATE SCHEMA app AUTHORIZATION %[1]q; REVOKE USAGE ON SCHEMA public FROM %[1]q, PUBLIC", w.User))
			return with(w, "search_path", "public,app")
		},
		"USAGE lost, no other schema": func(w *workspace) string {
			w.Exec(w.t, fmt.Sprintf("ALTER SCHEMA public OWNER TO postgres; REVOKE USAGE ON SCHEMA public FROM %q, PUBLIC", w.User))
			return w.URL()
		},
		"version table without its history": func(w *workspace) string {
			w.Exec(w.t, fmt.Sprintf("CREATE SCHEMA app AUTHORIZATION %[1]q; CREATE TABLE app.schema_migrations (version bigint NOT NULL PRIMARY KEY, dirty boolean NOT NULL); ALTER TABLE app.schema_migrations OWNER TO %[1]q", w.User))
			return with(w, "search_path", "app,public")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorkspace(t, guests)
			w.mustExit(0, "up")
			databaseURL := move(w)
			for _, command := range [][]string{
				{"up"}, {"down", "--to", "0"}, {"wait", "--timeout", "20s"}, {"status"}, {"plan"}, {"history"}, {"repair", "--applied"},
			} {
				args := append(command, "--database-url", databaseURL)
				if command[0] != "history" {
					args = append(args, "--source", w.dir)
				}
				out := call(t.Context(), args...)
				assert.Equal(t, 5, out.code, "%v: %s", command, out.err)
				assert.Contains(t, out.err, "--table public.schema_migrations")
			}
			assert.Equal(t, "1", w.Value(t, "SELECT count(*) FROM public.guests"))
			assert.Equal(t, "2", w.Value(t, "SELECT version FROM public.schema_migrations"))
			if strings.HasPrefix(name, "USAGE") {
				return
			}
			for _, command := range [][]string{{"up"}, {"wait"}, {"status"}} {
				out := call(t.Context(), append(command, "--database-url", databaseURL, "--source", w.dir, "--table", "public.schema_migrations")...)
				assert.Equal(t, 0, out.code, "%v: %s", command, out.err)
			}
			assert.Equal(t, "1", w.Value(t, "SELECT count(*) FROM public.guests"))
		})
	}
}

func TestTables_SchemaCreatedDuringRun_SameTableUsed(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t, guests)
	w.write("3_schema.up.sql", "CREATE SCHEMA AUTHORIZATION "+pq.QuoteIdentifier(w.User))
	w.write("4_index.up.sql", "CREATE INDEX CONCURRENTLY ON guests (id);\nINSERT INTO guests VALUES (4)")
	w.write("5_row.up.sql", "INSERT INTO guests VALUES (5)")
	w.Exec(t, fmt.Sprintf("GRANT CREATE ON DATABASE %q TO %q", w.Name, w.User))
	w.mustExit(0, "up")
	assert.Equal(t, "5", w.Value(t, "SELECT version FROM public.schema_migrations"))
	assert.Equal(t, "3", w.Value(t, "SELECT count(*) FROM guests"))
	golden(t, "tables-elsewhere", strings.ReplaceAll(w.mustExit(5, "up").err, w.User, "app"))
	assert.Equal(t, "3", w.Value(t, "SELECT count(*) FROM guests"))
	own := fmt.Sprintf("%s.schema_migrations", w.User)
	w.mustExit(6, "up", "--table", own) // an explicit table is used
}

func TestTables_GolangMigrateInAnotherSchema_RefusedIfVersionInFiles(t *testing.T) {
	t.Parallel()
	for version, code := range map[int]int{2: 5, 77: 0} {
		t.Run(fmt.Sprint(version), func(t *testing.T) {
			t.Parallel()
			w := newWorkspace(t, guests)
			w.Exec(t, fmt.Sprintf("CREATE SCHEMA app AUTHORIZATION %q; CREATE TABLE app.schema_migrations (version bigint NOT NULL PRIMARY KEY, dirty boolean NOT NULL); INSERT INTO app.schema_migrations VALUES (%d, false); GRANT SELECT ON app.schema_migrations TO %[1]q", w.User, version))
			out := w.mustExit(code, "up")
			if code == 5 {
				assert.Contains(t, out.err, "app.schema_migrations is at version 2, for which there is a migration file")
				w.mustExit(5, "status")
				w.mustExit(5, "plan")
				w.mustExit(0, "up", "--table", "public.schema_migrations")
			}
		})
	}
}

func TestTables_ExecHistoryInAnotherSchema_Refused(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t, nil)
	w.Exec(t, "CREATE TABLE public.x (a int)")
	run := func(code int, databaseURL string) outcome {
		out := call(t.Context(), "exec", "--database-url", databaseURL, "--", "true")
		require.Equal(t, code, out.code, out.err)
		return out
	}
	run(0, w.URL())
	w.Exec(t, fmt.Sprintf("CREATE SCHEMA app AUTHORIZATION %q", w.User))
	out := run(5, w.URL()+"&search_path=app,public")
	assert.Contains(t, out.err, "--table public.schema_migrations")
	run(0, w.URL())
}

// TestTables_TableOfAnotherTool_Refused checks that a table named schema_migrations is validated before use.
func TestTables_TableOfAnotherTool_Refused(t *testing.T) {
	t.Parallel()
	const mine = "CREATE TABLE schema_migrations (version bigint NOT NULL PRIMARY KEY, dirty boolean NOT NULL); INSERT INTO schema_migrations VALUES (1, false); "
	const rename = "ALTER TABLE schema_migrations RENAME TO kept; "
	for name, c := range map[string]struct{ sql, want string }{
		"rails":               {"CREATE TABLE schema_migrations (version varchar NOT NULL PRIMARY KEY); CREATE TABLE ar_internal_metadata (key varchar); INSERT INTO schema_migrations VALUES ('20240101000000')", "its columns are those of Ruby on Rails"},
		"dbmate":              {"CREATE TABLE schema_migrations (version varchar(128) PRIMARY KEY)", "its columns are those of dbmate or Ruby on Rails"},
		"ecto":                {"CREATE TABLE schema_migrations (version bigint PRIMARY KEY, inserted_at timestamp(0)); INSERT INTO schema_migrations VALUES (20240101000000, now())", "its columns are those of Ecto"},
		"laravel":             {"CREATE TABLE schema_migrations (id serial, migration varchar(255), batch int)", "its columns are those of Laravel"},
		"goose":               {"CREATE TABLE schema_migrations (id serial, version_id bigint NOT NULL, is_applied boolean NOT NULL, tstamp timestamp)", "its columns are those of goose"},
		"text version":        {"CREATE TABLE schema_migrations (version text NOT NULL, dirty boolean NOT NULL); INSERT INTO schema_migrations VALUES ('one', false)", "version text"},
		"numeric version":     {"CREATE TABLE schema_migrations (version numeric NOT NULL, dirty boolean NOT NULL)", "version numeric"},
		"dirty as a number":   {"CREATE TABLE schema_migrations (version bigint NOT NULL, dirty int NOT NULL)", "dirty integer"},
		"view":                {mine + rename + "CREATE VIEW schema_migrations AS SELECT * FROM kept", "it is a view"},
		"materialized view":   {mine + rename + "CREATE MATERIALIZED VIEW schema_migrations AS SELECT * FROM kept", "it is a materialized view"},
		"partitioned":         {"CREATE TABLE schema_migrations (version bigint NOT NULL, dirty boolean NOT NULL) PARTITION BY RANGE (version)", "it is a partitioned table"},
		"foreign":             {"CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w; CREATE FOREIGN TABLE schema_migrations (version bigint, dirty boolean) SERVER s", "it is a foreign table"},
		"sequence":            {"CREATE SEQUENCE schema_migrations", "it is a sequence"},
		"index":               {"CREATE TABLE t (a int); CREATE INDEX schema_migrations ON t (a)", "it is an index"},
		"two rows":            {mine + "INSERT INTO schema_migrations VALUES (2, false)", "more than one row (versions 1 and 2)"},
		"two rows, twins":     {"CREATE TABLE schema_migrations (version bigint, dirty boolean); INSERT INTO schema_migrations VALUES (1, false), (1, false)", "more than one row"},
		"a child's row":       {mine + "CREATE TABLE child () INHERITS (schema_migrations); INSERT INTO child VALUES (2, true)", "inherited tables count, too"},
		"NULL version":        {"CREATE TABLE schema_migrations (version bigint, dirty boolean); INSERT INTO schema_migrations VALUES (NULL, false)", "its version is NULL"},
		"NULL dirty":          {"CREATE TABLE schema_migrations (version bigint, dirty boolean); INSERT INTO schema_migrations VALUES (1, NULL)", "dirty is NULL"},
		"negative":            {"CREATE TABLE schema_migrations (version bigint, dirty boolean); INSERT INTO schema_migrations VALUES (-5, false)", "its version is -5"},
		"history of another":  {mine + "CREATE TABLE schema_migrations_history (id serial, what text)", "is not Shiplock's history table"},
		"history is an index": {mine + "CREATE INDEX schema_migrations_history ON schema_migrations (dirty)", "it is an index"},
		"history is a view":   {mine + "CREATE VIEW schema_migrations_history AS SELECT 1 AS id", "is not Shiplock's history table"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorkspace(t, guests)
			w.Exec(t, c.sql)
			w.Exec(t, fmt.Sprintf("GRANT ALL ON ALL TABLES IN SCHEMA public TO %q", w.User))
			for _, command := range [][]string{{"up", "--wait-for-db", "20s"}, {"wait", "--timeout", "30s"}, {"status"}, {"plan"}, {"down", "--to", "0"}, {"repair", "--applied"}} {
				out := w.run(command...)
				assert.Equal(t, 5, out.code, "%v: %s", command, out.err)
				assert.Contains(t, out.err, c.want)
				assert.NotContains(t, out.err, "lost")
			}
			if name == "rails" {
				golden(t, "tables-rails", w.run("up").err)
				w.mustExit(0, "up", "--table", "shiplock_migrations")
				out := call(t.Context(), "exec", "--database-url", w.URL(), "--", "true")
				assert.Equal(t, 0, out.code, out.err)
			}
			if name == "two rows" {
				golden(t, "tables-two-rows", w.run("up").err)
			}
		})
	}
}

// TestTables_HistoryColumnMissing_Refused covers a migration that changes all tables, including
// Shiplock's.
func TestTables_HistoryColumnMissing_Refused(t *testing.T) {
	t.Parallel()
	for change, want := range map[string]string{
		"DROP COLUMN up_checksum":                     "up_checksum text is missing",
		"RENAME COLUMN run_outcome TO result":         "run_outcome text is missing",
		"ALTER COLUMN statements_applied TYPE bigint": "statements_applied is bigint and not integer",
	} {
		w := newWorkspace(t, guests)
		w.mustExit(0, "up")
		w.Exec(t, "ALTER TABLE schema_migrations_history "+change)
		for _, command := range []string{"up", "status", "plan", "wait"} {
			assert.Contains(t, w.mustExit(5, command).err, want)
		}
	}
}

// TestTables_TemporaryTableWithSameName_Ignored checks that only the configured schema is searched.
func TestTables_TemporaryTableWithSameName_Ignored(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t, guests)
	w.write("3_temp.up.sql", "CREATE TEMPORARY TABLE schema_migrations (version text); CREATE TEMPORARY TABLE schema_migrations_history (a int)")
	w.write("4_x.up.sql", "INSERT INTO public.guests VALUES (4)")
	w.mustExit(0, "up")
	w.mustExit(0, "up")
	assert.Equal(t, "2", w.Value(t, "SELECT count(*) FROM guests"))
	assert.Equal(t, "4", w.Value(t, "SELECT version FROM public.schema_migrations"))
}
