package sqlfile

import (
	"io"
	"strings"
	"testing"

	pgquery "github.com/pganalyze/pg_query_go/v6"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func FuzzReader(f *testing.F) {
	for _, text := range hard {
		f.Add(text)
	}
	f.Add(dump)
	f.Add("SELECT 1\n\\gexec")
	f.Add("SELECT 'ü\xe9'")
	f.Fuzz(checkSplit)
}

// FuzzRows puts arbitrary text between a COPY and its end, followed by a statement.
func FuzzRows(f *testing.F) {
	for _, rows := range []string{"", "1\t2\n", "\\N\r\n'\"$$;\n", "\\.x\n \\.\n", "x\n\n"} {
		f.Add(rows)
	}
	f.Fuzz(func(t *testing.T, rows string) {
		text := "COPY t FROM stdin;\n" + rows
		checkSplit(t, text)
		checkSplit(t, text+"\n\\.\nSELECT 1")
		all, err := pieces(strings.NewReader(text + "\n\\.\nSELECT 1"))
		if err != nil {
			return
		}
		got := ""
		for _, p := range all {
			if p.Kind == Rows {
				got += string(p.Text)
			}
			if p.Kind == RowsEnd {
				break
			}
		}
		require.True(t, strings.HasPrefix(rows+"\n", got), "rows are sent as they are")
	})
}

// FuzzChecksum writes the same tokens with different white space and comments, which must
// not change the checksum. A changed token must change it.
func FuzzChecksum(f *testing.F) {
	for _, text := range hard {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		text = strings.TrimPrefix(text, "\ufeff")
		_, err := pieces(strings.NewReader(text))
		if _, parseErr := pgquery.Parse(text); err != nil || parseErr != nil {
			return // what cannot be read counts byte by byte
		}
		tokens, err := pgquery.Scan(text)
		require.NoError(t, err)
		var other strings.Builder
		for _, tok := range tokens.Tokens {
			if tok.Token != pgquery.Token_SQL_COMMENT && tok.Token != pgquery.Token_C_COMMENT {
				other.WriteString("/* a */\t" + text[tok.Start:tok.End] + "\r\n-- b\n")
			}
		}
		assert.Equal(t, checksum(t, text), checksum(t, other.String()))
		assert.Equal(t, Canonical(text), Canonical(other.String()))
		if text != "" && len(tokens.Tokens) > 0 {
			assert.NotEqual(t, checksum(t, text), checksum(t, text+"\nSELECT 1"))
		}
	})
}

func checksum(t *testing.T, text string) string {
	sum, err := Checksum(func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil })
	require.NoError(t, err)
	return sum
}

func TestChecksum(t *testing.T) {
	same := func(a, b string) { assert.Equal(t, checksum(t, a), checksum(t, b), "%q and %q", a, b) }
	differ := func(a, b string) { assert.NotEqual(t, checksum(t, a), checksum(t, b), "%q and %q", a, b) }
	same("SELECT 1;", "\ufeff-- why\r\nSELECT /* x */\t1 ;\r\n")
	same(dump, strings.ReplaceAll(strings.ReplaceAll(dump, "Ab9", "Cd0"), "\n", "\r\n"))
	differ(dump, strings.Replace(dump, "2\t'", "2\t\"", 1))
	differ("SELECT 'a b'", "SELECT 'a  b'")
	differ("SELECT a b", "SELECT ab")
	differ("SELECT $$ a $$", "SELECT $$ b $$")
	differ("SELECT 1;\n\\echo 1", "SELECT 1;\n\\echo 2") // cannot be run, but may have been by psql
	differ("SELECT 'caf\xe9'", "SELECT 'caf\xe8'")
}
