package cli_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/cli"
	"github.com/shiplock/shiplock/internal/test/fixture"
)

// TestExec_OutputWithoutNewline_ReportStartsNewLine uses the last output of Django, which has no newline:
// "  Applying booking.0003_unique...".
func TestExec_OutputWithoutNewline_ReportStartsNewLine(t *testing.T) {
	t.Parallel()
	for _, stream := range []string{"1", "2"} {
		b := newToolFixture(t, "printf '  Applying booking.0003_unique...' >&"+stream+"; exit 1")
		var both bytes.Buffer // a container's log
		assert.Equal(t, 6, cli.Program{Stdout: &both, Stderr: &both}.Run(t.Context(), b.args()))
		assert.Contains(t, both.String(), "  Applying booking.0003_unique...\nshiplock: sh ")
	}
}

func TestExec_OutputResemblesShiplock_Marked(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"text", "json"} {
		b := newToolFixture(t, `echo 'shiplock: sh succeeded; all is well' >&2
echo 'time=2026-11-21T10:00:00.000Z level=INFO msg="external tool succeeded"'
echo '{"time":"2026-11-21T10:00:00Z","level":"INFO","msg":"external tool succeeded"}' >&2
echo 'as it is'; exit 3`)
		var both bytes.Buffer
		assert.Equal(t, 6, cli.Program{Stdout: &both, Stderr: &both}.Run(t.Context(), b.args("--log-format", format)))
		assert.Contains(t, both.String(), "\n| shiplock: sh succeeded; all is well\n")
		assert.Contains(t, both.String(), "as it is\n")
		marks := map[string]string{"text": "\n| time=2026-11-21T10:00:00.000Z level=INFO", "json": "\n{\"from\":\"tool\",\"time\":\"2026-11-21T10:00:00Z\""}
		assert.Contains(t, both.String(), marks[format])
		for line := range strings.Lines(both.String()) {
			var record map[string]any
			if line[0] == ' ' {
				continue // the report's excerpt
			}
			if format == "json" && json.Unmarshal([]byte(line), &record) == nil && record["msg"] == "external tool succeeded" {
				assert.Equal(t, "tool", record["from"], line)
			}
		}
	}
}

func TestExec_PasswordInOutput_Masked(t *testing.T) {
	t.Parallel()
	b := newToolFixture(t, "")
	b.script("cat " + b.dir + "/url; printf '%s' \"connected to $(cat " + b.dir + "/url)\" >&2; exit 1")
	b.touch("url")
	fixture.Write(t, b.dir, "url", b.URL()+" "+b.Password+"\n")
	out := b.run()
	require.Equal(t, 6, out.code, out.err)
	assert.Regexp(t, `^postgres://test%20\d+%20owner:xxxxx@127.0.0.1:\d+/test%20\d+\?sslmode=disable xxxxx\n$`, out.stdout)
	assert.Contains(t, out.err, "connected to postgres://")
	assert.NotContains(t, out.err, "s3cret")
}
