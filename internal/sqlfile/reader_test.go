package sqlfile

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	pgquery "github.com/pganalyze/pg_query_go/v6"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// pieces returns all pieces, with copies of their texts.
func pieces(from io.Reader) ([]Piece, error) {
	r := NewReader(from)
	var out []Piece
	for {
		p, err := r.Next()
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return out, err
		}
		p.Text = []byte(string(p.Text))
		out = append(out, p)
	}
}

func statements(all []Piece) []string {
	var out []string
	for _, p := range all {
		if p.Kind == Statement {
			out = append(out, strings.TrimRight(strings.TrimSuffix(string(p.Text[p.Start:]), ";"), " \t\r\n\f\v"))
		}
	}
	return out
}

// hard are texts whose statements are difficult to split; the parser supports all of them.
var hard = []string{
	"", "-- nothing", "/* no /* thing */ */", ";;", "SELECT 1", "SELECT 1;SELECT 2;", "SELECT ';';SELECT \";\" FROM x;",
	"SELECT 'it''s;'; SELECT \"a\"\"b;\" FROM x;", "SELECT E'\\';'; SELECT e'\\\\'; SELECT 'x\\'; SELECT 2;",
	"SELECT E'a'\n  \n 'b\\';'; SELECT 1;", "SELECT E'a' , 'b\\'; SELECT 1", "SELECT U&'d\\0061t;'; SELECT B'01', X'1F', N'x;';",
	"SELECT $$;$$; SELECT $a$ $b$ ; $a$; SELECT $a$;$$;$ab$;$a$;", "SELECT a$b$c FROM d$e$;", "SELECT 1 -- ;\n; SELECT 2 /* ; */;",
	"SELECT 1 -- x\r, 2;", "SELECT 1+-1, 1 - -1, 2*-3, a@-b, 1/*;*/+1 FROM x;", "CREATE RULE r AS ON INSERT TO a DO (DELETE FROM b; DELETE FROM c);",
	"CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; SELECT CASE WHEN true THEN 2 END; END; SELECT 3;",
	"CREATE OR REPLACE PROCEDURE p() LANGUAGE sql BEGIN ATOMIC INSERT INTO a VALUES (1); END; COMMIT;",
	"CREATE FUNCTION begin() RETURNS int AS 'SELECT 1;' LANGUAGE sql; SELECT 1;", "BEGIN; SELECT 1; END; SELECT 2;",
	"DO $x$ BEGIN PERFORM 1; END $x$; SELECT 1", "\ufeffSELECT 'ü;ß'; SELECT größe FROM \"ä;\";", "SELECT 1\v;\fSELECT 2;", "(SELECT 1); TABLE x;",
	"CREATE TABLE a (b int DEFAULT 1.5e+10, c text DEFAULT E'\\n');\r\nINSERT INTO a VALUES (1, '\r\n;');\r\n", "SELECT a[1:2], b::int, .5, 1. FROM x WHERE c <> d AND e=-1;",
}

// checkSplit compares the pieces of a text with the text, and its statements with those of
// PostgreSQL's parser, if the parser accepts the text.
func checkSplit(t *testing.T, text string) {
	all, err := pieces(strings.NewReader(text))
	small, smallErr := pieces(iotest.OneByteReader(strings.NewReader(text)))
	if err != nil {
		var unusable *Error
		require.ErrorAs(t, err, &unusable)
		assert.Positive(t, unusable.Line)
		assert.LessOrEqual(t, unusable.Line, 1+strings.Count(text, "\n"))
		require.ErrorAs(t, smallErr, &unusable, "however it is read; of two faults either may be seen first")
		return
	}
	require.NoError(t, smallErr)
	require.Equal(t, all, small, "however it is read")
	plain := strings.TrimPrefix(text, "\ufeff")
	whole, rows := "", false
	for _, p := range all {
		require.EqualValues(t, len(whole), p.Offset)
		require.Equal(t, 1+strings.Count(whole, "\n"), p.Line)
		require.NotEmpty(t, p.Text)
		whole += string(p.Text)
		rows = rows || p.Kind > Blank
	}
	require.Equal(t, plain, whole)
	if rows {
		return // the parser knows neither rows nor psql's lines
	}
	tree, err := pgquery.Parse(plain)
	if err != nil {
		return
	}
	want := []string(nil)
	for _, s := range tree.Stmts {
		length := int(s.StmtLen)
		if length == 0 {
			length = len(plain) - int(s.StmtLocation)
		}
		one, _ := pieces(strings.NewReader(plain[s.StmtLocation:][:length]))
		require.Len(t, statements(one), 1, "the parser's statement is one here, too")
		want = append(want, statements(one)...)
	}
	require.Equal(t, want, statements(all))
}

func TestReader_Statements_SameAsParser(t *testing.T) {
	for _, text := range hard {
		_, err := pgquery.Parse(strings.TrimPrefix(text, "\ufeff"))
		require.NoError(t, err, text)
		checkSplit(t, text)
		checkSplit(t, strings.ReplaceAll(text, "\n", "\r\n"))
	}
}

// The server continues a string after a comment; the parser library, which makes
// comments tokens, does not.
func TestReader_StringAfterComment_Continued(t *testing.T) {
	all, err := pieces(strings.NewReader("SELECT E'a' -- so;'\n -- and so\n 'b\\';'; SELECT 1"))
	require.NoError(t, err)
	assert.Equal(t, []string{"SELECT E'a' -- so;'\n -- and so\n 'b\\';'", "SELECT 1"}, statements(all))
}

const dump = "--\n-- PostgreSQL database dump\n--\n\n\\restrict Ab9\n\nSET client_encoding = 'UTF8';\n" +
	"COPY public.t (a, \"from\") FROM stdin;\n1\t;\\N\n2\t'\n\\.\n\nSELECT 1;\n\\unrestrict Ab9\n"

func TestReader_RowsAndPsqlLines_Recognized(t *testing.T) {
	for _, text := range []string{dump, strings.ReplaceAll(dump, "\n", "\r\n")} {
		all, err := pieces(strings.NewReader(text))
		require.NoError(t, err)
		var kinds []Kind
		whole, rows := "", ""
		for _, p := range all {
			kinds = append(kinds, p.Kind)
			whole += string(p.Text)
			if p.Kind == Rows {
				rows += string(p.Text)
				assert.Equal(t, 9, p.Line)
			}
		}
		assert.Equal(t, text, whole)
		assert.Equal(t, []Kind{Blank, PsqlLine, Statement, Statement, Blank, Rows, RowsEnd, Statement, Blank, PsqlLine}, kinds)
		assert.Equal(t, "1\t;\\N\n2\t'\n", strings.ReplaceAll(rows, "\r", ""))
		checkSplit(t, text)
	}
}

func TestReader_LongRow_NotSplit(t *testing.T) {
	rows := strings.Repeat(strings.Repeat("x", 1000)+"\n", 200) + strings.Repeat("y", 3*maxRows) + "\n"
	all, err := pieces(strings.NewReader("COPY t FROM stdin;\n" + rows + "\\."))
	require.NoError(t, err)
	got := ""
	for _, p := range all[2 : len(all)-1] {
		assert.Equal(t, Rows, p.Kind)
		assert.True(t, strings.HasSuffix(string(p.Text), "\n"))
		got += string(p.Text)
	}
	assert.Equal(t, rows, got)
	assert.Greater(t, len(all), 5)
}

func TestReader_Copy_Recognized(t *testing.T) {
	for text, in := range map[string]bool{
		"COPY t FROM stdin;\n\\.\n":                                true,
		"copy s.t (a, b) from STDIN with (format csv);\r\n\\.\r\n": true,
		"COPY \"to\" FROM stdout;\n\\.":                            true, // the server takes one word for the other
		"COPY t FROM 'stdin';":                                     false,
		"COPY t FROM PROGRAM 'cat';":                               false,
		"COPY (SELECT * FROM stdin) TO '/x';":                      false,
		"SELECT 'COPY t FROM stdin;';":                             false,
		"CREATE TABLE stdin AS TABLE x;":                           false,
	} {
		all, err := pieces(strings.NewReader(text))
		require.NoError(t, err, text)
		assert.Equal(t, in, all[0].CopyIn, text)
	}
}

func TestReader_InvalidFile_Refuses(t *testing.T) {
	for _, c := range []struct {
		name, text string
		line       int
		want       string
	}{
		{"psql", "SELECT 1;\n\\connect other\n", 2, `\connect is a psql command, which the server does not support; remove it`},
		{"include", "\\i other.sql", 1, "make it a separate migration"},
		{"gexec", "SELECT 1\n\\gexec\n", 2, `\gexec is a psql command`},
		{"copy", "\\copy t from x", 1, `COPY … FROM stdin; followed by the rows`},
		{"behind a statement", "SELECT 1; \\echo x", 1, `\echo`},
		{"two of psql's on a line", "\\restrict a \\! ls\n", 1, "write exactly one word after it"},
		{"inside", "SELECT\n\\restrict a\n1;", 2, "is inside a statement"},
		{"end of rows without rows", "\n\\.\n", 2, "but there are no rows before it"},
		{"rows without end", "SELECT 1;\nCOPY t FROM stdin;\n1\n2\n", 2, "followed by a line with \\."},
		{"no rows", "COPY t FROM stdin;", 1, "has no rows"},
		{"no semicolon", "\nCOPY t FROM stdin", 2, "has no rows"},
		{"rows on the same line", "COPY t FROM stdin; 1\n\\.\n", 1, "begin the rows on the next line"},
		{"copy out", "-- x\n\nCOPY t TO STDOUT;", 3, "no reader in a migration"},
		{"NUL", "SELECT 1;\nSELECT '\x00';", 2, "contains a NUL byte"},
		{"UTF-16", "\xff\xfeS\x00", 1, "the file is UTF-16"},
		{"UTF-16, the other", "\xfe\xff\x00S", 1, "the file is UTF-16"},
		{"Latin-1", "SELECT 1;\n\nSELECT 'caf\xe9';", 3, "byte 0xe9 is not UTF-8"},
		{"cut short", "SELECT 1;\n-- \xe2\x82", 2, "byte 0xe2 is not UTF-8"},
		{"psql within parentheses", "SELECT (\n\\x);", 2, `\x is a psql command`},
		{"in rows", "COPY t FROM stdin;\n1\n\xff\n\\.\n", 3, "byte 0xff is not UTF-8"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := pieces(strings.NewReader(c.text))
			var unusable *Error
			require.ErrorAs(t, err, &unusable)
			assert.Equal(t, c.line, unusable.Line)
			assert.Contains(t, unusable.Problem, c.want)
			checkSplit(t, c.text)
		})
	}
}

// Unclosed text is one piece; the server reports the error.
func TestReader_EndOfFile_ReturnsEOF(t *testing.T) {
	for _, open := range []string{"'a;", "\"a;", "$$a;$", "$a$;$a", "$", "$a", "/* ;", "/* /* */ ;", "E'a;\\", "E'a'\n ", "(;", "1;2;'"} {
		all, err := pieces(strings.NewReader("SELECT " + open))
		require.NoError(t, err, open)
		assert.NotEmpty(t, all, open)
		checkSplit(t, "SELECT "+open)
	}
}

func TestReader_ReadFails_ReturnsError(t *testing.T) {
	incomplete := errors.New("disk on fire")
	_, err := pieces(io.MultiReader(strings.NewReader("SELECT 1; SELECT"), iotest.ErrReader(incomplete)))
	assert.Equal(t, incomplete, err)
}
