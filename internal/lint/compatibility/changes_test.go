package compatibility

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/script"
)

func upFile(sql string) File {
	return File{Name: "x.up.sql", Direction: "up", Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(sql)), nil }}
}

func TestChanges_Statements_AreReported(t *testing.T) {
	t.Parallel()
	for sql, want := range map[string]string{
		"CREATE TABLE a (b int NOT NULL); CREATE INDEX ON c (d); INSERT INTO e VALUES (1)": "",
		"DROP TABLE a, app.b": "table a is dropped; table app.b is dropped",
		"DROP VIEW v; DROP FUNCTION f(int); DROP TYPE mood; DROP SCHEMA app CASCADE":               "view v is dropped; function f is dropped; type mood is dropped; schema app is dropped",
		"DROP INDEX i; DROP TRIGGER t ON a; DROP POLICY p ON a":                                    "",
		"DROP VIEW v; CREATE VIEW v AS SELECT 1":                                                   "",
		"DROP FUNCTION f(int); CREATE FUNCTION f(int, int) RETURNS int LANGUAGE sql AS 'SELECT 1'": "",
		"ALTER TABLE a RENAME TO b":                                                                "table a is renamed to b",
		"ALTER TABLE a RENAME TO b; CREATE VIEW a AS SELECT * FROM b":                              "",
		"ALTER TABLE a RENAME COLUMN c TO d; ALTER VIEW v RENAME TO w; ALTER INDEX i RENAME TO j":  "column a.c is renamed to d; view v is renamed to w",
		"ALTER TABLE a DROP c, DROP COLUMN IF EXISTS d":                                            "column a.c is dropped; column a.d is dropped",
		"ALTER TABLE a ALTER c TYPE varchar(10), ALTER d TYPE smallint USING d::smallint":          "column a.c changes to a type that may be narrower: varchar(10); column a.d changes to a type that may be narrower: int2",
		"ALTER TABLE a ALTER c TYPE bigint, ALTER d TYPE text, ALTER e SET DATA TYPE numeric":      "",
		"ALTER TABLE a ALTER c TYPE int[], ALTER d TYPE numeric(10, 2)":                            "column a.c changes to a type that may be narrower: int4[]; column a.d changes to a type that may be narrower: numeric(10,2)",
		"ALTER TABLE a ALTER c SET NOT NULL":                                                       "column a.c becomes NOT NULL",
		"ALTER TABLE a ALTER c SET DEFAULT 1; ALTER TABLE a ALTER c SET NOT NULL":                  "",
		"ALTER TABLE a ALTER c DROP DEFAULT":                                                       "column a.c loses its default",
		"ALTER TABLE a ADD c int NOT NULL":                                                         "new column a.c is NOT NULL and has no default",
		"ALTER TABLE a ADD c int NOT NULL DEFAULT 1, ADD d serial NOT NULL, ADD e int GENERATED ALWAYS AS IDENTITY, ADD f int, ADD g int GENERATED ALWAYS AS (b) STORED NOT NULL": "",
		"ALTER TABLE a ADD c int DEFAULT 1; ALTER TABLE a ALTER c SET NOT NULL":                                                                                                   "",
		"CREATE TABLE a (b int); ALTER TABLE a DROP b, ADD c int NOT NULL; DROP TABLE a":                                                                                          "",
		"DROP TABLE a SOMEHOW; SELECT nope": "",
		"\\connect other":                   "",
	} {
		breaks, err := Changes([]File{upFile(sql)})
		require.NoError(t, err, sql)
		var got []string
		for _, b := range breaks {
			got = append(got, b.Text)
		}
		assert.Equal(t, want, strings.Join(got, "; "), sql)
	}
}

// A file with a minimum compatible version is left out, and objects that an earlier file
// creates are unknown to older versions.
func TestChanges_SeveralFiles_NewObjectsAreCompatible(t *testing.T) {
	t.Parallel()
	stated := upFile("DROP TABLE b")
	stated.MinCompatibleVersion = 7
	down := upFile("DROP TABLE c")
	down.Direction = "down"
	breaks, err := Changes([]File{upFile("CREATE TABLE new (a int)"), stated, down, upFile("DROP TABLE new;\n-- and\nDROP TABLE d")})
	require.NoError(t, err)
	assert.Equal(t, []Change{{File: 3, Line: 3, Text: "table d is dropped"}}, breaks)
}

// CREATE statements are parsed late, whatever their size.
func TestChanges_ManyCreates_AllAreParsed(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", script.MaxStoredSQL/3)
	files := []File{upFile("CREATE TABLE first (a int)")}
	for i := range 4 {
		files = append(files, upFile(fmt.Sprintf("CREATE VIEW v%d AS SELECT '%s'", i, long)))
	}
	files = append(files, upFile("CREATE TABLE last (a int)"), upFile("DROP TABLE first, last, other; DROP VIEW v0, v3"))
	breaks, err := Changes(files)
	require.NoError(t, err)
	assert.Equal(t, []Change{{File: 6, Line: 1, Text: "table other is dropped"}}, breaks)
}
