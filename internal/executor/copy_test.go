package executor

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/history"
	"github.com/shiplock/shiplock/internal/migrationerror"
	"github.com/shiplock/shiplock/internal/postgres"
	"github.com/shiplock/shiplock/internal/script"
	"github.com/shiplock/shiplock/internal/test/fixture"
	"github.com/shiplock/shiplock/internal/test/pgtest"
)

// openText returns an opener of a text.
func openText(text string) script.Opener {
	return func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil }
}

// streamedScript returns the script of a file as if it were too big for memory, with small windows.
func streamedScript(t *testing.T, text string) *script.Script {
	t.Helper()
	s, err := script.ScanFile("1_x.up.sql", openText(text))
	require.NoError(t, err)
	require.NotNil(t, s.Stream)
	s.Stream.BatchBytes = 40
	return s
}

// applyScript runs a script as the migration to version 1 of a database without one.
func applyScript(ctx context.Context, db *Executor, s *script.Script) *migrationerror.Error {
	return db.Apply(ctx, Migration{Script: s, From: noVersion, To: versionOne, Entry: history.Entry{Version: 1, Name: "x", Direction: "up"}})
}

const abcTable = "CREATE TABLE public.a (b int, c text);\n"

func TestCopy_Files_InsertRows(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, sql, want string
		blocks          bool // the file is not one transaction
	}{
		{"as pg_dump writes it", "\\restrict abc\nSELECT pg_catalog.set_config('search_path', '', false);\n" + abcTable +
			"COPY public.a (b, c) FROM stdin;\n1\tx;\\ny\n2\t\\N\n\\.\n\n\nSELECT 1;\n\\unrestrict abc\n", "(1,\"x;\ny\") (2,)", false},
		{"twice", abcTable + "COPY public.a FROM stdin;\n1\tx\n\\.\nCOPY public.a FROM stdin;\n2\ty\n\\.", "(1,x) (2,y)", false},
		{"first", "COPY start FROM stdin;\n1\n\\.\n" + abcTable + "INSERT INTO public.a SELECT b FROM start", "(1,)", false},
		{"no rows", abcTable + "COPY public.a FROM stdin;\n\\.\n", "", false},
		{"CSV", abcTable + "COPY public.a FROM STDIN WITH (FORMAT csv, HEADER);\nb,c\n1,\"x\n\"\"y\"\n\\.\n", "(1,\"x\n\"\"y\")", false},
		{"wrapped", "BEGIN /* ü */;" + abcTable + "COPY public.a FROM stdin;\n1\tß\n\\.\nINSERT INTO public.a VALUES (2);\nCOMMIT;\n", "(1,ß) (2,)", false},
		{"by itself", abcTable + "COPY public.a FROM stdin;\n1\tx\n\\.\nVACUUM public.a;", "(1,x)", true},
		{"in transactions of the file", "BEGIN;" + abcTable + "COMMIT; BEGIN;\nINSERT INTO public.a VALUES (0);\nCOPY public.a FROM stdin;\n1\tx\n\\.\n" +
			"INSERT INTO public.a VALUES (2); COMMIT AND CHAIN;\nCOPY public.a FROM stdin;\n3\tx\n\\.\nCOMMIT;", "(0,) (1,x) (2,) (3,x)", true},
		{"in one beside statements of their own", abcTable + "VACUUM; BEGIN;\nCOPY public.a FROM stdin;\n1\tx\n\\.\nCOMMIT;", "(1,x)", true},
	} {
		for _, how := range []string{"", "CRLF", "streamed", "unknown to the parser"} {
			if c.blocks && how != "" && how != "CRLF" {
				continue
			}
			t.Run(c.name+" "+how, func(t *testing.T) {
				t.Parallel()
				d := pgtest.New(t)
				db := openSession(t, d)
				d.Exec(t, "CREATE TABLE start (b int); ALTER TABLE start OWNER TO \""+d.User+"\"")
				sql, want := c.sql, c.want
				if how == "CRLF" {
					sql, want = strings.ReplaceAll(sql, "\n", "\r\n"), strings.ReplaceAll(want, "\n\"\"", "\r\n\"\"")
				}
				script, err := script.ParseScript([]byte(sql))
				require.NoError(t, err)
				require.Equal(t, !c.blocks, script.Transactional)
				switch {
				case how == "streamed":
					script = streamedScript(t, sql)
				case how == "unknown to the parser" && script.Begin == "BEGIN":
					script.Parsed, script.Statements = false, nil // as ParseScript returns SQL that it cannot parse
				}
				require.Nil(t, applyScript(t.Context(), db, script))
				assert.Equal(t, want, d.Value(t, "SELECT string_agg(a::text, ' ' ORDER BY b) FROM public.a"))
				st, err := db.store.State(t.Context())
				require.NoError(t, err)
				assert.Equal(t, versionOne, st)
				done, total := d.Value(t, "SELECT statements_applied FROM schema_migrations_history"), d.Value(t, "SELECT statements_total FROM schema_migrations_history")
				assert.Equal(t, total, done)
			})
		}
	}
}

func TestCopy_Errors_AreRolledBack(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, sql    string
		line, column int
		statement    string
		sqlstate     string
	}{
		{"bad row", abcTable + "COPY a FROM stdin;\n1\tx\n2\ty\nthree\tz\n4\tx\n\\.\nSELECT 1;", 5, 1, "COPY a FROM stdin", "22P02"},
		{"too few columns", abcTable + "SELECT 1;\n\nCOPY a (b, c)\n  FROM stdin;\n1\n\\.\n", 6, 1, "COPY a (b, c)\n  FROM stdin", "22P04"},
		{"constraint", "CREATE TABLE a (b int UNIQUE);\nCOPY a FROM stdin;\n1\n2\n1\n\\.\n", 5, 1, "COPY a FROM stdin", "23505"},
		{"CSV over two lines", abcTable + "COPY a FROM stdin (FORMAT csv, HEADER);\nb,c\n1,\"x\ny\"\nz,z\n\\.\n", 6, 1, "COPY a FROM stdin (FORMAT csv, HEADER)", "22P02"},
		{"no such table", "SELECT 1;\n  COPY nowhere FROM stdin;\n1\n\\.\n", 2, 3, "COPY nowhere FROM stdin", "42P01"},
		{"behind the rows", abcTable + "COPY a FROM stdin;\n1\tx\n\\.\nSELECT 'ü', nope;", 5, 13, "SELECT 'ü', nope", "42703"},
		{"behind the rows, without a place", "CREATE TABLE a (b int UNIQUE);\nCOPY a FROM stdin;\n1\n\\.\nSELECT 1;\nINSERT INTO a VALUES (1);\nSELECT 2;", 6, 1, "INSERT INTO a VALUES (1)", "23505"},
		{"many rows after the bad one", "CREATE TABLE a (b int);\nCOPY a FROM stdin;\nx\n" + strings.Repeat("1234567\n", 200_000) + "\\.\n", 3, 1, "COPY a FROM stdin", "22P02"},
	} {
		for _, how := range []string{"in memory", "streamed"} {
			t.Run(c.name+" "+how, func(t *testing.T) {
				t.Parallel()
				d := pgtest.New(t)
				db := openSession(t, d)
				script, err := script.ParseScript([]byte(c.sql))
				require.NoError(t, err)
				if how == "streamed" {
					script = streamedScript(t, c.sql)
				}
				fail := applyScript(t.Context(), db, script)
				require.NotNil(t, fail)
				assert.Equal(t, migrationerror.RolledBack, fail.Outcome)
				line, column := fail.Position()
				assert.Equal(t, [2]int{c.line, c.column}, [2]int{line, column}, fail.Error())
				st, _ := fail.Statement()
				assert.Equal(t, c.statement, st.Text)
				require.NotNil(t, fail.Server())
				assert.EqualValues(t, c.sqlstate, fail.Server().Code)
				assert.Empty(t, d.Value(t, "SELECT to_regclass('a')"))
				assert.Equal(t, "1", sessionValue(t, db, "SELECT 1"), "the session is usable")
			})
		}
	}
}

// In a file that is not one transaction, a COPY is counted in the transaction of its rows.
func TestCopy_FailsInSecondBlock_Resumes(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	db := openSession(t, d)
	const sql = "CREATE TABLE a (b int);\nCOPY a FROM stdin;\n1\n\\.\nVACUUM a;\nCOPY a FROM stdin;\n2\nx\n\\.\n"
	fail := applySQL(t, db, sql)
	require.NotNil(t, fail)
	assert.Equal(t, migrationerror.PartiallyApplied, fail.Outcome)
	assert.Equal(t, 3, fail.StatementsApplied)
	assert.Equal(t, 3, fail.FailedIndex)
	line, _ := fail.Position()
	assert.Equal(t, 8, line)
	assert.Equal(t, "3", d.Value(t, "SELECT statements_applied FROM schema_migrations_history"))
	assert.Equal(t, "1", d.Value(t, "SELECT count(*) FROM a"))

	script, err := script.ParseScript([]byte(strings.Replace(sql, "x", "3", 1)))
	require.NoError(t, err)
	require.Nil(t, db.Apply(t.Context(), Migration{Script: script, From: noVersion, To: versionOne, Resume: true, Entry: history.Entry{Version: 1, Name: "x", Direction: "up", StatementsApplied: 3}}))
	assert.Equal(t, "6", d.Value(t, "SELECT sum(b) FROM a"))
}

// slowRows makes every row of table a take a second.
const slowRows = `CREATE TABLE a (b int);
CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(1); RETURN NEW; END $$;
CREATE TRIGGER slow BEFORE INSERT ON a FOR EACH ROW EXECUTE FUNCTION slow();
`

func TestCopy_Canceled_Stops(t *testing.T) {
	t.Parallel()
	for name, rows := range map[string]string{
		"all rows sent":     strings.Repeat("1\n", 60),
		"rows still coming": strings.Repeat("1234567\n", 2_000_000),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := pgtest.New(t)
			db := openSession(t, d)
			script, err := script.ParseScript([]byte(slowRows + "COPY a FROM stdin;\n" + rows + "\\.\n"))
			require.NoError(t, err)
			ctx, cancel := context.WithCancelCause(t.Context())
			stop := errors.New("stop")
			ended := make(chan *migrationerror.Error, 1)
			go func() { ended <- applyScript(ctx, db, script) }()
			fixture.Eventually(t, d, runningCopies, "1")
			cancel(stop)
			select {
			case fail := <-ended:
				require.NotNil(t, fail)
				assert.ErrorIs(t, fail, stop)
			case <-time.After(30 * time.Second):
				t.Fatal("the COPY did not stop")
			}
			fixture.EventuallyWithin(t, 30*time.Second, d, runningCopies, "0")
			assert.Empty(t, d.Value(t, "SELECT to_regclass('a')"))
		})
	}
}

// runningCopies counts the sessions that are in a COPY of the test's database.
const runningCopies = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%COPY a%' AND pid <> pg_backend_pid() AND datname = current_database()"

func TestCopy_ConnectionLost_IsRolledBack(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	db := openSession(t, d)
	script, err := script.ParseScript([]byte(slowRows + "COPY a FROM stdin;\n" + strings.Repeat("1234567\n", 2_000_000) + "\\.\n"))
	require.NoError(t, err)
	ended := make(chan *migrationerror.Error, 1)
	go func() { ended <- applyScript(t.Context(), db, script) }()
	fixture.Eventually(t, d, runningCopies, "1")
	d.Exec(t, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%COPY a%' AND pid <> pg_backend_pid() AND datname = current_database()")
	select {
	case fail := <-ended:
		require.NotNil(t, fail)
		assert.Equal(t, migrationerror.RolledBack, fail.Outcome)
		var lost *postgres.LostError
		assert.ErrorAs(t, fail, &lost)
	case <-time.After(time.Minute):
		t.Fatal("the COPY waits for a lost connection")
	}
	assert.Empty(t, d.Value(t, "SELECT to_regclass('a')"))
}
