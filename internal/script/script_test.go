package script

import (
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseScript_ValidFile_Classified(t *testing.T) {
	for _, c := range []struct {
		name, sql     string
		transactional bool
		statements    []string
	}{
		{"empty", "", true, nil},
		{"comments only", "-- nothing\n/* yet */\n", true, nil},
		{"one statement", "CREATE TABLE a (b int)", true, []string{"CREATE TABLE a (b int)"}},
		{"comments before", "-- why\n/* a /* nested */ one */ SELECT 1;\n-- after\n", true, []string{"SELECT 1"}},
		{"dollar quotes", "CREATE FUNCTION f() RETURNS int AS $x$ BEGIN; RETURN 1; COMMIT; $x$ LANGUAGE plpgsql;SELECT ';'", true,
			[]string{"CREATE FUNCTION f() RETURNS int AS $x$ BEGIN; RETURN 1; COMMIT; $x$ LANGUAGE plpgsql", "SELECT ';'"}},
		{"wrapped", "BEGIN;\nSELECT 1;\nCOMMIT;\n", true, []string{"SELECT 1"}},
		{"wrapped, other keywords", "start transaction isolation level serializable;SELECT 1;end transaction;", true, []string{"SELECT 1"}},
		{"wrapped, empty", "BEGIN; COMMIT;", true, nil},
		{"savepoints stay", "BEGIN; SAVEPOINT a; SELECT 1; ROLLBACK TO a; COMMIT;", true, []string{"SAVEPOINT a", "SELECT 1", "ROLLBACK TO a"}},
		{"two transactions", "BEGIN; SELECT 1; COMMIT; BEGIN; SELECT 2; COMMIT;", false,
			[]string{"BEGIN", "SELECT 1", "COMMIT", "BEGIN", "SELECT 2", "COMMIT"}},
		{"rolled back", "BEGIN; SELECT 1; ROLLBACK;", false, []string{"BEGIN", "SELECT 1", "ROLLBACK"}},
		{"concurrent index", "CREATE INDEX CONCURRENTLY i ON a (b)", false, []string{"CREATE INDEX CONCURRENTLY i ON a (b)"}},
		{"plain index", "CREATE INDEX i ON a (b)", true, []string{"CREATE INDEX i ON a (b)"}},
		{"mixed", "CREATE TABLE a (b int); DROP INDEX CONCURRENTLY IF EXISTS i;", false,
			[]string{"CREATE TABLE a (b int)", "DROP INDEX CONCURRENTLY IF EXISTS i"}},
		{"vacuum", "VACUUM ANALYZE a", false, []string{"VACUUM ANALYZE a"}},
		{"analyze", "ANALYZE a", true, []string{"ANALYZE a"}},
		{"reindex", "REINDEX INDEX CONCURRENTLY i", false, []string{"REINDEX INDEX CONCURRENTLY i"}},
		{"reindex table", "REINDEX TABLE a", true, []string{"REINDEX TABLE a"}},
		{"reindex schema", "REINDEX SCHEMA s", false, []string{"REINDEX SCHEMA s"}},
		{"detach", "ALTER TABLE a DETACH PARTITION b CONCURRENTLY", false, []string{"ALTER TABLE a DETACH PARTITION b CONCURRENTLY"}},
		{"alter system", "ALTER SYSTEM SET work_mem = '1MB'", false, []string{"ALTER SYSTEM SET work_mem = '1MB'"}},
		{"create database", "CREATE DATABASE x", false, []string{"CREATE DATABASE x"}},
		{"new enum value", "ALTER TYPE e ADD VALUE 'x'", true, []string{"ALTER TYPE e ADD VALUE 'x'"}},
		{"directive", "-- a note\n\n-- shiplock:no-transaction\nCALL p();", false, []string{"CALL p()"}},
		{"comment after a statement is not a directive", "SELECT 1;\n-- shiplock:no-transaction\n", true, []string{"SELECT 1"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, form := range []string{c.sql, strings.ReplaceAll(c.sql, "\n", "\r\n"), "\ufeff" + c.sql} {
				s, err := ParseScript([]byte(form))
				require.NoError(t, err)
				assert.True(t, s.Parsed)
				assert.Equal(t, c.transactional, s.Transactional)
				var got []string
				for _, st := range s.Statements {
					got = append(got, st.Text)
					assert.Equal(t, st.Text, s.SQL[st.Offset:st.Offset+len(st.Text)])
				}
				assert.Equal(t, c.statements, got)
			}
		})
	}
}

func TestParseScript_WrappedFile_KeepsPositions(t *testing.T) {
	const sql = "-- ü\nBEGIN ISOLATION LEVEL SERIALIZABLE;\nSELECT 'ß', 1;\nCOMMIT;\n"
	s, err := ParseScript([]byte(sql))
	require.NoError(t, err)
	assert.Equal(t, "BEGIN ISOLATION LEVEL SERIALIZABLE", s.Begin)
	assert.Len(t, s.SQL, len(sql))
	assert.Equal(t, strings.Index(sql, "SELECT"), strings.Index(s.SQL, "SELECT"))
	assert.NotContains(t, s.SQL, "COMMIT")

	s, err = ParseScript([]byte("BEGIN /* größer */;\nSELECT 1;\nEND"))
	require.NoError(t, err)
	require.Len(t, s.Statements, 1)
	assert.Equal(t, "SELECT 1", s.SQL[s.Statements[0].Offset:][:8])
}

func TestParseScript_UnsupportedSQL_LeftToServer(t *testing.T) {
	s, err := ParseScript([]byte("CREATE TABEL a (b int);"))
	require.NoError(t, err)
	assert.True(t, s.HasUnparsed())
	assert.True(t, s.Transactional)
}

func TestParseScript_UnusualFile_Parsed(t *testing.T) {
	for _, c := range []struct {
		name, text string
		statements int
		line       int // line of the last statement
	}{
		{"empty", "", 0, 0},
		{"only a byte order mark", "\ufeff", 0, 0},
		{"only line breaks", "\r\n\r\n", 0, 0},
		{"only comments", "-- nothing\n/* yet */", 0, 0},
		{"only semicolons", ";;\n;", 0, 0},
		{"only psql commands", "\\restrict a\n\n\\unrestrict a\n", 0, 0},
		{"CRLF", "SELECT 1;\r\nSELECT 2;\r\n", 2, 2},
		{"no line break at the end", "SELECT 1;\nSELECT 2 -- x", 2, 2},
		{"psql commands", "\\restrict a\nSELECT 1;\n\\unrestrict a\nSELECT '\\connect x';\n", 2, 4},
		{"directive after a psql command", "\\restrict a\n-- shiplock:no-transaction\nCALL p();", 1, 3},
		{"backslashes that are not psql commands", "SELECT '\\i x', \"\\c\", $$ \\! $$, E'\\'\\x'; -- \\d\n/* \\q */ SELECT 2", 2, 2},
		{"COPY data", "COPY a FROM stdin;\n\\connect\t'\n\\.\nSELECT 1;", 2, 4},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := ParseScript([]byte(c.text))
			require.NoError(t, err)
			assert.True(t, s.Parsed)
			assert.Len(t, s.Statements, c.statements)
			assert.Len(t, s.SQL, len(s.Text))
			if n := len(s.Statements); n > 0 {
				assert.Equal(t, c.line, s.LineOf(s.Statements[n-1]))
			}
		})
	}
}

func TestParseScript_InvalidFile_Rejected(t *testing.T) {
	for _, c := range []struct{ name, sql, want string }{
		{"NUL", "SELECT 1;\nSELECT '\x00';", ":2: the file contains a NUL byte"},
		{"UTF-16", "\xff\xfeS\x00", ":1: the file is UTF-16"},
		{"Latin-1", "SELECT 1;\n\nSELECT 'caf\xe9';", ":3: byte 0xe9 is not UTF-8"},
		{"misspelt directive", "-- x\n-- shiplock:no-transactions\nSELECT 1", `:2: unknown directive "shiplock:no-transactions"`},
		{"BEGIN without COMMIT", "-- x\nBEGIN;\nSELECT 1;", `:2: "BEGIN" begins a transaction that is never committed`},
		{"second BEGIN without COMMIT", "BEGIN; SELECT 1; COMMIT;\nSTART TRANSACTION; SELECT 2;", `:2: "START TRANSACTION" begins`},
		{"COMMIT AND CHAIN at the end", "BEGIN;\nSELECT 1;\nCOMMIT AND CHAIN;", `:3: "COMMIT AND CHAIN" begins`},
		{"psql command", "SELECT 1;\n\\i other.sql\n", `:2: \i is a psql command`},
		{"COPY without data", "SELECT 1;\nCOPY a FROM stdin;\nSELECT 2;\n", ":2: COPY … FROM stdin has no rows"},
		{"COPY to the client", "COPY a TO stdout;", ":1: COPY … TO stdout"},
		{"COPY in binary", "-- x\nCOPY a FROM stdin (FORMAT Binary);\n\\.\n", ":2: COPY in binary format"},
		{"COPY outside a transaction", "SELECT 1;\nCOPY a FROM stdin;\n\\.\nBEGIN; SELECT 1; COMMIT;", ":2: COPY a FROM stdin is between"},
		{"directive on SQL that cannot be split", "-- shiplock:no-transaction\nSET standard_conforming_strings = off; SELEC 1", "standard_conforming_strings = off prevents"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := ParseScript([]byte(c.sql))
			var se *ScriptError
			require.ErrorAs(t, err, &se)
			assert.Contains(t, err.Error(), c.want)
		})
	}
}

func FuzzParseScript(f *testing.F) {
	for _, sql := range []string{
		"BEGIN;SELECT 1;COMMIT;", "-- shiplock:no-transaction\nVACUUM;", "/* /* */ SELECT $$;$$ ; --", "BEGIN /* ü */;COPY a FROM stdin;\n\\.\nCOMMIT;",
		"SET TRANSACTION READ ONLY; SELECT 1", "BEGIN; SAVEPOINT a; ROLLBACK TO a; END", "\\restrict a\n-- shiplock:no-transactions\nSELECT 1;", "DROP INDEX CONCURRENTLY i; SELECT 1",
		"BEGIN; BEGIN; COMMIT", "START TRANSACTION; ROLLBACK;", "--shiplock:no-transaction", "COPY a FROM stdin (FORMAT binary);\n\\.", "BEGIN; SET TRANSACTION READ ONLY; COMMIT AND CHAIN; COMMIT",
	} {
		f.Add(sql)
	}
	f.Fuzz(func(t *testing.T, sql string) {
		s, err := ParseScript([]byte(sql))
		if err != nil {
			return
		}
		end := 0
		for _, st := range s.Statements {
			require.GreaterOrEqual(t, st.Offset, end, "statements are in order and do not overlap")
			end = st.Offset + len(st.Text)
			require.LessOrEqual(t, end, len(s.SQL))
			require.Equal(t, st.Text, s.SQL[st.Offset:end])
		}
		if s.Parsed {
			assertSameAsScanned(t, s, sql)
		}
	})
}

// assertSameAsScanned compares a script with one that is read as a large file.
func assertSameAsScanned(t *testing.T, s *Script, text string) {
	big, err := ScanFile("", openText(text))
	if err != nil && disablesConformingStrings.MatchString(strings.Join(statementTexts(s), "\n")) {
		return // rejected by ScanFile only
	}
	require.NoError(t, err)
	assert.Equal(t, s.Transactional, big.Transactional)
	assert.Equal(t, s.Transactional, big.Stream != nil)
	assert.Equal(t, s.Begin, big.Begin)
	assert.Equal(t, s.Count(), big.Count())
	assert.Equal(t, s.StartsWithSetTransaction(), big.StartsWithSetTransaction())
	assert.Equal(t, s.Sum, big.Sum)
	if big.Stream == nil {
		assert.Equal(t, statementTexts(s), statementTexts(big))
		assert.Equal(t, s.txBlocks(), big.txBlocks())
		assert.Equal(t, s.copies, big.copies)
		return
	}
	big.Stream.BatchBytes = 1
	var got []string
	batches := big.ReadBatches()
	defer batches.Close()
	for batches.Next() {
		p := batches.Batch()
		assert.Equal(t, len(got), p.Script.StatementsBefore)
		got = append(got, statementTexts(p.Script)...)
		if p.CopyRows != nil {
			require.NoError(t, p.CopyRows(func(string) error { return nil }))
		}
	}
	require.NoError(t, batches.Err())
	assert.Equal(t, statementTexts(s), got)
}

func statementTexts(s *Script) []string {
	var out []string
	for _, st := range s.Statements {
		out = append(out, st.Text)
	}
	return out
}

// openText returns an opener of a text.
func openText(text string) Opener {
	return func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil }
}
