package executor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/migrationerror"
	"github.com/shiplock/shiplock/internal/script"
	"github.com/shiplock/shiplock/internal/test/pgtest"
	"github.com/shiplock/shiplock/internal/test/teststore"
)

func TestStream_LargeFile_RunsInOneTransaction(t *testing.T) {
	t.Parallel()
	rows := strings.Repeat("INSERT INTO a VALUES (1);\n", 20)
	for _, c := range []struct{ name, sql string }{
		{"plain", "CREATE TABLE a (b int);\n" + rows},
		{"wrapped", "BEGIN ISOLATION LEVEL SERIALIZABLE; CREATE TABLE a (b int);\n" + rows + "SELECT 1 / (current_setting('transaction_isolation') = 'serializable')::int;\nCOMMIT; -- done"},
		{"SET TRANSACTION first", "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE; SET TRANSACTION READ WRITE; CREATE TABLE a (b int);\n" + rows},
		{"savepoints of its own", "CREATE TABLE a (b int); SAVEPOINT x;\nINSERT INTO a VALUES (100);\n" + rows + "ROLLBACK TO x;\n" + rows + "RELEASE x;\n"},
		{"function and comments", "CREATE FUNCTION f() RETURNS int AS $$ BEGIN RETURN 1; END; $$ LANGUAGE plpgsql; /* ; */ CREATE TABLE a (b int);\n-- ;\n" + rows + "-- end"},
		{"several on a line", "CREATE TABLE a (b int);" + strings.ReplaceAll(rows, "\n", " ")},
		{"as pg_dump sets it", "SET client_min_messages = error;\nSET standard_conforming_strings = on;\nCREATE TABLE public.a (b int);\n" + rows},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := pgtest.New(t)
			db := openSession(t, d)
			s := streamedScript(t, c.sql)
			require.Nil(t, applyScript(t.Context(), db, s))
			assert.Equal(t, "20", d.Value(t, "SELECT sum(b) FROM a"))
			assert.Equal(t, fmt.Sprint(s.Count()), d.Value(t, "SELECT statements_applied FROM schema_migrations_history"))
			whole, err := script.ParseScript([]byte(c.sql))
			require.NoError(t, err)
			assert.Equal(t, whole.Sum, s.Sum)
		})
	}
}

func TestStream_FailedStatement_Located(t *testing.T) {
	t.Parallel()
	before := "CREATE TABLE a (b int UNIQUE);\n" + strings.Repeat("SELECT 'ü';\n", 20)
	for _, c := range []struct {
		name, sql    string
		line, column int
		statement    string
		sqlstate     string
	}{
		{"error with a position", before + "SELECT 1; SELECT 'ß', nope; SELECT 2;\n", 22, 23, "SELECT 'ß', nope", "42703"},
		{"error without a position", before + "INSERT INTO a VALUES (1); SELECT 1;\n  INSERT INTO a\n VALUES (1);\nSELECT 2;", 23, 3, "INSERT INTO a\n VALUES (1)", "23505"},
		{"among many", before + strings.Repeat("INSERT INTO a SELECT max(b) + 1 FROM a;\n", 100) + " INSERT INTO a VALUES (1), (1);\n" + strings.Repeat("INSERT INTO a SELECT max(b) + 1 FROM a;\n", 100),
			122, 2, "INSERT INTO a VALUES (1), (1)", "23505"},
		{"behind many", before + strings.Repeat("INSERT INTO a SELECT coalesce(max(b), 0) + 1 FROM a;\n", 100) + "UPDATE a SET b = 1;\n", 122, 1, "UPDATE a SET b = 1", "23505"},
		{"syntax", before + "CREATE TABEL x;\nSELECT 1;", 22, 8, "CREATE TABEL x", "42601"},
		{"beside savepoints", "SAVEPOINT x;" + before + "INSERT INTO a VALUES (1);\nINSERT INTO a VALUES (1); SELECT 1;", 23, 1, "INSERT INTO a VALUES (1)", "23505"},
		{"never closed", before + "SELECT 'a;\nSELECT 2;", 22, 8, "SELECT 'a;\nSELECT 2", "42601"},
		{"at the commit", strings.Replace(before, "UNIQUE", "PRIMARY KEY, c int REFERENCES a DEFERRABLE INITIALLY DEFERRED", 1) + "INSERT INTO a VALUES (1, 2);", 0, 0, "", "23503"},
	} {
		for _, window := range []int{40, script.DefaultBatchBytes} {
			t.Run(fmt.Sprint(c.name, window), func(t *testing.T) {
				t.Parallel()
				d := pgtest.New(t)
				db := openSession(t, d)
				s := streamedScript(t, c.sql)
				s.Stream.BatchBytes = window
				fail := applyScript(t.Context(), db, s)
				require.NotNil(t, fail)
				assert.Equal(t, migrationerror.RolledBack, fail.Outcome)
				line, column := fail.Position()
				assert.Equal(t, [2]int{c.line, c.column}, [2]int{line, column}, fail.Error())
				st, _ := fail.Statement()
				assert.Equal(t, c.statement, st.Text)
				require.NotNil(t, fail.Server())
				assert.EqualValues(t, c.sqlstate, fail.Server().Code)
				assert.Empty(t, d.Value(t, "SELECT to_regclass('a')"))
				assert.Equal(t, "1", sessionValue(t, db, "SELECT 1"))
			})
		}
	}
}

// After a lock timeout, the whole file is read again.
func TestStream_LockTimeout_Retries(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	d.Exec(t, "CREATE TABLE busy (b int); ALTER TABLE busy OWNER TO \""+d.User+"\"")
	holder, err := d.Admin().Begin()
	require.NoError(t, err)
	_, err = holder.Exec("LOCK TABLE busy")
	require.NoError(t, err)
	opts := teststore.Options(t, d.URL())
	opts.LockTimeout = 200 * time.Millisecond
	db := openWithOptions(t, opts)

	s := streamedScript(t, "CREATE TABLE a (b int);\nSELECT 1;\nALTER TABLE busy ADD c int;\nSELECT 2;")
	s.Stream.BatchBytes = script.DefaultBatchBytes
	reads := 0
	open := s.Stream.Open
	s.Stream.Open = func() (io.ReadCloser, error) {
		if reads++; reads == 2 {
			require.NoError(t, holder.Rollback())
		}
		return open()
	}
	require.Nil(t, applyScript(t.Context(), db, s))
	assert.Equal(t, 2, reads)
	assert.Equal(t, "1", d.Value(t, "SELECT count(*) FROM information_schema.columns WHERE table_name = 'busy' AND column_name = 'c'"))
}

func TestStream_LockTimeout_ReportsStatement(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	holder, err := d.Admin().Begin()
	require.NoError(t, err)
	t.Cleanup(func() { _ = holder.Rollback() })
	_, err = holder.Exec("SELECT pg_advisory_xact_lock(7)")
	require.NoError(t, err)
	opts := teststore.Options(t, d.URL())
	opts.LockTimeout = 100 * time.Millisecond
	db := openWithOptions(t, opts)

	others := strings.Repeat("INSERT INTO a VALUES (1);\n", 50)
	s := streamedScript(t, "CREATE TABLE a (b int);\n"+others+"  INSERT INTO a SELECT 1 FROM pg_advisory_xact_lock(7);\n"+others)
	s.Stream.BatchBytes = script.DefaultBatchBytes
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	fail := applyScript(ctx, db, s)
	require.NotNil(t, fail)
	st, _ := fail.Statement()
	assert.Equal(t, "INSERT INTO a SELECT 1 FROM pg_advisory_xact_lock(7)", st.Text)
	line, column := fail.Position()
	assert.Equal(t, [2]int{52, 3}, [2]int{line, column})
}

func TestStream_NotTransactional_Rejected(t *testing.T) {
	for name, c := range map[string]struct {
		sql, want string
		line      int
	}{
		"VACUUM":           {"SELECT 1;\nVACUUM a;\nSELECT 2;", "VACUUM a cannot run in a transaction", 2},
		"directive":        {"-- shiplock:no-transaction\n\nSELECT 1;", "the file contains shiplock:no-transaction", 3},
		"two transactions": {"BEGIN; SELECT 1; COMMIT;\nBEGIN; SELECT 2; COMMIT;", "contains its own transactions", 1},
		"not committed":    {"BEGIN; SELECT 1;\nROLLBACK;", "contains its own transactions", 2},
	} {
		t.Run(name, func(t *testing.T) {
			small, err := script.ScanFile("x.sql", openText(c.sql))
			require.NoError(t, err, "small enough to be held in memory")
			assert.Nil(t, small.Stream)
			assert.False(t, small.Transactional)

			filler := strings.Repeat("-"+strings.Repeat("-", 1<<20)+"\n", script.MaxInMemoryBytes>>20)
			_, err = script.ScanFile("x.sql", openText(c.sql+"\n"+filler))
			var unusable *script.ScriptError
			require.ErrorAs(t, err, &unusable)
			assert.Equal(t, "x.sql", unusable.File)
			assert.Equal(t, c.line, unusable.Line)
			assert.Contains(t, unusable.Problem, c.want)
			assert.Contains(t, unusable.Problem, "more than 16 MB")
		})
	}
	_, err := script.ScanFile("x.sql", openText("SET standard_conforming_strings TO off;\nSELECT 1;"))
	assert.ErrorContains(t, err, "x.sql:1: a file of this size requires standard_conforming_strings = on")
}

func TestStream_FileChanged_RolledBack(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	db := openSession(t, d)
	s := streamedScript(t, "CREATE TABLE a (b int);\nSELECT 1;\n")
	s.Stream.Open = openText("CREATE TABLE a (b int);\nSELECT 2;\n")
	fail := applyScript(t.Context(), db, s)
	require.NotNil(t, fail)
	assert.ErrorContains(t, fail, "the file was changed while it was being read")
	assert.Empty(t, d.Value(t, "SELECT to_regclass('a')"))

	broken := errors.New("disk on fire")
	s.Stream.Open = func() (io.ReadCloser, error) { return nil, broken }
	assert.ErrorContains(t, applyScript(t.Context(), db, s), "1_x.up.sql: disk on fire")
	assert.Equal(t, "1", sessionValue(t, db, "SELECT 1"))
}

// load depends on the size only and does not read all of a large file.
func TestLoad_LargeFile_Streamed(t *testing.T) {
	small, err := script.Load("x.sql", strings.NewReader("SELECT 1"), openText("SELECT 1"))
	require.NoError(t, err)
	assert.Nil(t, small.Stream)
	assert.Equal(t, "SELECT 1", small.Text)

	text := "SELECT 1; -- " + strings.Repeat("x", script.MaxParsedBytes)
	middle, err := script.Load("x.sql", strings.NewReader(text), nil)
	require.NoError(t, err)
	assert.NotNil(t, middle.Stream)
	assert.Len(t, middle.StoredSQL(), len(text), "stored in the history table")

	text += strings.Repeat("x", script.MaxStoredSQL)
	body := strings.NewReader(text + text)
	big, err := script.Load("x.sql", body, openText(text))
	require.NoError(t, err)
	assert.NotNil(t, big.Stream)
	assert.Equal(t, 1, big.Count())
	assert.Positive(t, body.Len(), "the rest is not read")
	assert.Empty(t, big.StoredSQL())

	whole, err := script.Load("x.sql", strings.NewReader(text), nil)
	require.NoError(t, err)
	assert.NotNil(t, whole.Stream)
	assert.Empty(t, whole.StoredSQL(), "too long for the history table")
}
