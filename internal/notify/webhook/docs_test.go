package webhook

import (
	"bytes"
	"encoding/json"
	"os"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/notify"
	"github.com/shiplock/shiplock/internal/notify/httprequest"
	"github.com/shiplock/shiplock/internal/test/fixture"
	"github.com/shiplock/shiplock/internal/test/messages"
)

const page = "../../../docs/guides/notifications.md"

// fencedBlock matches the code block below a marker in the page.
var fencedBlock = regexp.MustCompile("(?s)(<!-- (\\w+) -->\n```\\w+\n)(.*?)(```\n)")

// The page's example matches a notification, its template works, and its table of fields is complete.
func TestDocs_Notifications_MatchCode(t *testing.T) {
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	body, _, err := JSON(messages.Failure())
	require.NoError(t, err)
	example := string(exampleJSON(t, body))
	if fixture.Updating() {
		text = fencedBlock.ReplaceAllFunc(text, func(block []byte) []byte {
			m := fencedBlock.FindSubmatch(block)
			if string(m[2]) != "example" {
				return block
			}
			return []byte(string(m[1]) + example + string(m[4]))
		})
		require.NoError(t, os.WriteFile(page, text, 0o600))
	}
	blocks := map[string]string{}
	for _, m := range fencedBlock.FindAllStringSubmatch(string(text), -1) {
		blocks[m[2]] = m[3]
	}
	assert.Equal(t, blocks["example"], example, "go test ./internal/notify/webhook -update")

	render, err := Template("report.tmpl", blocks["template"])
	require.NoError(t, err)
	for _, m := range notify.Samples() {
		body, contentType, err := render(m)
		require.NoError(t, err)
		assert.True(t, json.Valid(body), "%s", body)
		assert.Equal(t, httprequest.ContentJSON, contentType)
	}

	var fields map[string]any
	require.NoError(t, json.Unmarshal(body, &fields))
	for name := range fields {
		assert.Regexp(t, "(?m)^\\| [^|]*`"+name+"`", string(text), "the table of fields")
	}
}

// exampleJSON returns indented JSON with the fields in their order.
func exampleJSON(t *testing.T, text []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, json.Indent(&out, bytes.TrimSpace(text), "", "  "))
	return append(out.Bytes(), '\n')
}
