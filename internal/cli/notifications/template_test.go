package notifications

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/notify"
	"github.com/shiplock/shiplock/internal/notify/httprequest"
	"github.com/shiplock/shiplock/internal/test/messages"
)

func templateFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "report.tmpl")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func TestTemplate_Message_RendersFields(t *testing.T) {
	var body, contentType string
	s := newReceiver(t, func(_ http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		body, contentType = string(text), r.Header.Get("Content-Type")
	})
	send := func(template string, m notify.Message) {
		n := newNotifier(t, func(o *Options) { o.WebhookURL, o.WebhookTemplate, o.Success = s.URL, templateFile(t, template), true })
		require.Empty(t, n.Deliver(t.Context(), m))
	}
	m := messages.Failure()
	big := 20261121104013
	m.VersionTo, m.Title = &big, `a "quoted" title\ with </script> & 'more'`
	send(`{"summary": {{json .title}}, "severity": "{{if eq .exit_code 0}}info{{else}}critical{{end}}", "version": {{json .version_to}}, "at": {{json .started}}}`, m)
	assert.Equal(t, httprequest.ContentJSON, contentType)
	var got map[string]any
	require.NoError(t, json.Unmarshal([]byte(body), &got), body)
	assert.Equal(t, m.Title, got["summary"])
	assert.Equal(t, "critical", got["severity"])
	assert.Contains(t, body, "20261121104013", "a version is an integer")

	send("{{.outcome}} {{.version_to}} {{.duration_seconds}}{{range .rows}}\n{{.name}}: {{.text}}{{end}}{{with .position}} {{.file}}:{{.line}}{{end}}", m)
	assert.Equal(t, "text/plain; charset=utf-8", contentType)
	assert.True(t, strings.HasPrefix(body, "failed 20261121104013 2\nmigration: 0009"), body)
	assert.True(t, strings.HasSuffix(body, " 0009_guest_accounts.up.sql:5"), body)

	send("{{.title}}{{with .position}} {{.file}}{{end}}", messages.Success())
	assert.Equal(t, messages.Success().Title, body)
}

// Errors of a template are returned before anything runs.
func TestTemplate_Invalid_ReturnsError(t *testing.T) {
	for text, want := range map[string]string{
		"{{.title":                    "report.tmpl:1: unclosed action",
		"{{.titel}}":                  `report.tmpl:1:2: executing "report.tmpl" at <.titel>: map has no entry for key "titel" (the fields are in docs/guides/notifications.md)`,
		"{{jsn .title}}":              `function "jsn" not defined`,
		"{{.position.file}}":          "nil pointer evaluating interface {}.file", // not every failure has a position
		"{{template \"x\"}}":          `template "x" not defined`,
		"{{if not .changed}}x{{end}}": "produces no output for a run that succeeded",
		"{{define \"a\"}}{{template \"a\"}}{{end}}{{template \"a\"}}":                                  "exceeded maximum template depth",
		"{{range $i, $c := .report}}{{range $.report}}" + strings.Repeat("x", 1000) + "{{end}}{{end}}": "range can't iterate over",
		"{{printf \"%300000d\" 1}}": "the template produces more than 256 kB",
	} {
		_, err := New(testOptions(func(o *Options) { o.WebhookURL, o.WebhookTemplate = "https://h/", templateFile(t, text) }))
		require.Error(t, err, text)
		assert.Contains(t, err.Error(), "--webhook-template: ")
		assert.Contains(t, err.Error(), want)
	}
	_, err := New(testOptions(func(o *Options) { o.WebhookURL, o.WebhookTemplate = "https://h/", "/gone.tmpl" }))
	assert.EqualError(t, err, "--webhook-template: open /gone.tmpl: no such file or directory")
}
