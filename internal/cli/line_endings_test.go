package cli_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/status"
)

func TestUp_OnlyLineEndingsDiffer_Reported(t *testing.T) {
	t.Parallel()
	const unix, dos = "CREATE TABLE a (b text);\nINSERT INTO a VALUES ('x\ny');\n", "CREATE TABLE a (b text);\r\nINSERT INTO a VALUES ('x\r\ny');\r\n"
	const both = "CREATE TABLE a (b text);\nINSERT INTO a VALUES ('x\ny\r\nz');\n"
	for name, c := range map[string]struct{ ran, now string }{
		"line-endings-crlf":  {unix, dos},
		"line-endings-lf":    {dos, unix},
		"line-endings-mixed": {both, strings.ReplaceAll(both, "\r\n", "\n")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorkspace(t, map[string]string{"1_a.up.sql": c.ran})
			w.mustExit(0, "up")
			w.write("1_a.up.sql", c.now)
			golden(t, name, w.mustExit(5, "up").err)
			golden(t, name, w.mustExit(5, "plan").err)
			assert.Contains(t, w.mustExit(0, "status").stdout, "applied, line endings differ")
			var st status.Status
			require.NoError(t, json.Unmarshal([]byte(w.mustExit(0, "status", "-o", "json").stdout), &st))
			assert.Equal(t, []uint{1}, st.Edited)
			assert.Equal(t, []uint{1}, st.LineEndings)

			// Other edits are reported first.
			w.write("1_a.up.sql", c.ran)
			w.write("2_b.up.sql", "SELECT 2;")
			w.mustExit(0, "up")
			w.write("1_a.up.sql", c.now)
			w.write("2_b.up.sql", "SELECT 3;")
			assert.Contains(t, w.mustExit(5, "up").err, "refused: checksum mismatch: 2_b.up.sql (and 1 more) was edited")
			w.mustExit(0, "up", "--on-edited", "allow")
		})
	}
}

// TestUp_LineEndingsDifferInAppliedPart_Reported covers a partially applied file.
func TestUp_LineEndingsDifferInAppliedPart_Reported(t *testing.T) {
	t.Parallel()
	file := "CREATE TABLE a (b text);\nINSERT INTO a VALUES ('x\ny');\nCREATE INDEX CONCURRENTLY i ON a (b);\nSELECT nope;\n"
	w := newWorkspace(t, map[string]string{"1_a.up.sql": file})
	w.mustExit(7, "up")
	w.write("1_a.up.sql", strings.ReplaceAll(file, "\n", "\r\n"))
	golden(t, "line-endings-partially-applied", w.mustExit(5, "up").err)
	w.write("1_a.up.sql", strings.Replace(file, "nope", "2", 1))
	w.mustExit(0, "up")
}
