package cli_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestExec_ReasonBeforeLongTail_Reported uses the output of Node for a driver error, which is longer than
// the tail that exec keeps.
func TestExec_ReasonBeforeLongTail_Reported(t *testing.T) {
	t.Parallel()
	b := newToolFixture(t, `cat >&2 <<'END'
> booking@1.0.0 migrate
error: relation "missing" does not exist
    at Parser.parseErrorMessage (parser.js:283:98) {
  severity: 'ERROR',
  code: '42P01',
  detail: undefined,
  hint: 'password=marked-secret',
  position: '13',
}
END
exec >&2
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22; do echo "npm notice $i"; echo '  where: undefined,'; done
exit 1`)
	out := b.run()
	assert.Equal(t, 6, out.code, out.err)
	b.golden("exec-reason", out.err)
	_, report, _ := strings.Cut(out.err, "\nshiplock: ")
	assert.NotContains(t, report, "marked-secret")
}

func TestExec_SchemaUnreadable_NoChangesCounted(t *testing.T) {
	t.Parallel()
	b := newToolFixture(t, "true")
	b.Exec(t, "REVOKE SELECT ON pg_catalog.pg_extension FROM PUBLIC")
	out := b.run()
	assert.Zero(t, out.code, out.err)
	assert.Len(t, out.records("", "level", "WARN", "error", "pg_extension"), 2, "before and after the tool: %s", out.err)
	assert.Len(t, out.records("external tool succeeded"), 1, out.err)
	assert.Empty(t, out.records("", "schema_changes", ""))
}
