package subprocess

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func linesOf(output string) (errors, last []string) {
	var t lastLines
	w := &lineWriter{to: &t}
	w.write([]byte(output))
	w.flush()
	return t.errors(), t.lines()
}

// node is a driver error as printed by Node.
const node = `> booking@1.0.0 migrate
> node-pg-migrate up
error: relation "missing" does not exist
    at Parser.parseErrorMessage (/app/node_modules/pg-protocol/dist/parser.js:283:98)
    at Parser.handlePacket (/app/node_modules/pg-protocol/dist/parser.js:122:29) {
  length: 105,
  severity: 'ERROR',
  code: '42P01',
  detail: undefined,
  hint: 'Create it.',
  position: '13',
  internalPosition: undefined,
  where: undefined,
  file: 'namespace.c',
  routine: 'RangeVarGetRelidExtended'
}
`

func TestErrorLines(t *testing.T) {
	t.Parallel()
	frames := strings.Repeat("    at x (/app/y.js:1:2)\n", 30)
	noise := strings.Repeat("  detail: undefined,\n", 30)
	for name, c := range map[string]struct {
		output string
		want   []string
	}{
		"short output":            {node, nil},
		"undefined fields":        {node + noise, nil},
		"node, frames":            {node + frames, []string{`error: relation "missing" does not exist`, "  code: '42P01',", "  hint: 'Create it.',", "  position: '13',"}},
		"psql":                    {"psql:x.sql:1: ERROR:  relation \"x\" does not exist\nLINE 1: TABLE x\nother\nHINT:  none\n" + frames, []string{`psql:x.sql:1: ERROR:  relation "x" does not exist`, "LINE 1: TABLE x", "HINT:  none"}},
		"java":                    {"java.lang.RuntimeException: migrate\n" + frames + "Caused by: org.postgresql.util.PSQLException: ERROR: relation \"x\" does not exist\n  Position: 13\n" + frames, []string{`Caused by: org.postgresql.util.PSQLException: ERROR: relation "x" does not exist`, "  Position: 13"}},
		"first and last":          {"ERROR: one\n" + frames + "ERROR: two\nERROR: three\n" + frames, []string{"ERROR: one", "ERROR: three"}},
		"the same twice":          {"ERROR: one\n" + frames + "ERROR: one\n" + frames, []string{"ERROR: one"}},
		"no error of the server":  {"Exception in thread main\n" + frames, []string{"Exception in thread main"}},
		"a notice":                {"NOTICE:  relation \"x\" already exists, skipping\n0 errors\n" + frames, nil},
		"prisma":                  {"Error: P3009\nmigrate found failed migrations\n" + frames, []string{"Error: P3009"}},
		"one of them in the tail": {"ERROR: one\n" + frames + "ERROR: two\n", []string{"ERROR: one"}},
		"far in a long line":      {`{"level":"error","stack":"` + strings.Repeat("x", 5000) + ` ERROR: relation \"x\" does not exist"}` + "\n" + frames, []string{"…" + strings.Repeat("x", 99) + ` ERROR: relation \"x\" does not exist"}`}},
		"nothing":                 {"", nil},
	} {
		errors, last := linesOf(c.output)
		assert.Equal(t, c.want, errors, name)
		assert.LessOrEqual(t, len(last), maxLines)
		assert.NotContains(t, fmt.Sprint(last), "undefined", name)
	}
}

// TestErrorLines_LongOutput_Bounded checks that the number of kept lines is limited.
func TestErrorLines_LongOutput_Bounded(t *testing.T) {
	t.Parallel()
	line := "ERROR: " + strings.Repeat("detail ", 20<<10) + "\nDETAIL: " + strings.Repeat("x", 20<<10) + "\n"
	errors, last := linesOf(strings.Repeat(line, 50) + strings.Repeat("frame\n", 30))
	assert.LessOrEqual(t, len(strings.Join(append(errors, last...), "\n")), 2*maxBlock*(maxLine+10)+maxBytes)
	assert.NotEmpty(t, errors)
}
