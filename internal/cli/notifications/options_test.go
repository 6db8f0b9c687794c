package notifications

import (
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/config"
	"github.com/shiplock/shiplock/internal/test/messages"
)

// Errors are returned before anything runs, name the option, and contain no secret.
func TestNew_InvalidOptions_ReturnsError(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	for want, change := range map[string]func(*Options){
		"--webhook-url is not a URL":                func(o *Options) { o.WebhookURL = "hooks.example.com/marked" },
		"--webhook-url is not a URL such":           func(o *Options) { o.WebhookURL = "ftp://hooks.example.com/marked" },
		"(its value is not shown":                   func(o *Options) { o.WebhookURL = "https://u:marked\x7f@hooks.example.com/%zz" },
		"--webhook-url-file: open":                  func(o *Options) { o.WebhookURLFile = dir + "/gone" },
		"/dev/zero is larger than 256 kB":           func(o *Options) { o.WebhookURLFile = "/dev/zero" },
		"template: /dev/zero is larger":             func(o *Options) { o.WebhookURL, o.WebhookTemplate = "https://h/", "/dev/zero" },
		"empty is empty":                            func(o *Options) { o.WebhookURLFile = write("empty", " \n") },
		"--webhook-url-file is not a URL":           func(o *Options) { o.WebhookURLFile = write("url", "marked\n") },
		"set either --webhook-url or":               func(o *Options) { o.WebhookURL, o.WebhookURLFile = "https://h/", write("other", "https://h/") },
		"--webhook-token requires":                  func(o *Options) { o.WebhookToken = "marked-token" },
		"--webhook-token contains a space":          func(o *Options) { o.WebhookURL, o.WebhookToken = "https://h/", "marked token" },
		"json, slack or template; got \"xml\"":      func(o *Options) { o.WebhookFormat = "xml" },
		"--webhook-format template requires":        func(o *Options) { o.WebhookFormat = "template" },
		"--webhook-template requires --webhook-url": func(o *Options) { o.WebhookTemplate = write("t", "{{.title}}") },
		"requires --webhook-format template; got slack": func(o *Options) {
			o.WebhookURL, o.WebhookFormat, o.WebhookTemplate = "https://h/", "slack", write("t", "x")
		},
		"--pushgateway-url is not a URL":      func(o *Options) { o.PushgatewayURL = "marked:9091" },
		"without a path, such as":             func(o *Options) { o.PushgatewayURL = "http://h/metrics/job/marked" },
		"greater than 0, such as 10s; got 0s": func(o *Options) { o.Timeout = 0 },
	} {
		n, err := New(testOptions(change))
		var wrong *config.UsageError
		require.True(t, errors.As(err, &wrong), "%s: %v", want, err)
		assert.Contains(t, err.Error(), want)
		assert.NotContains(t, err.Error(), "marked")
		require.NotNil(t, n)
	}
}

// An invalid option fails the run, and the other channels report that failure.
func TestNew_InvalidOption_OtherChannelsDeliver(t *testing.T) {
	file := filepath.Join(t.TempDir(), "termination-log")
	n, err := New(testOptions(func(o *Options) { o.WebhookURL, o.TerminationLog = "nonsense", file }))
	require.Error(t, err)
	require.Empty(t, n.Deliver(t.Context(), messages.Failure()))
	assert.FileExists(t, file)
}

func TestNew_URLFile_IsRead(t *testing.T) {
	file := filepath.Join(t.TempDir(), "url")
	require.NoError(t, os.WriteFile(file, []byte("https://hooks.example.com/services/T0MARKED/B0MARKED/marked0marked\n"), 0o600))
	n := newNotifier(t, func(o *Options) { o.WebhookURLFile = file })
	assert.Equal(t, "see xxxxx", n.Redact("see https://hooks.example.com/services/T0MARKED/B0MARKED/marked0marked"))
}

// URLs are hidden in all of their forms, with their parts.
func TestRedact_Secrets_AreHidden(t *testing.T) {
	n := newNotifier(t, func(o *Options) {
		o.WebhookURL, o.WebhookToken = "https://hooks.example.com/services/T0MARKED/marked0marked?key=marked%2Fkey&a=1", "marked-token"
		o.PushgatewayURL = "http://push:marked%40pass@push.example.com:9091/base"
	})
	for _, text := range []string{
		"https://hooks.example.com/services/T0MARKED/marked0marked?key=marked%2Fkey&a=1", "POST /services/T0MARKED/marked0marked?key=marked%2Fkey&a=1",
		"marked0marked", "key marked/key", "marked%2Fkey", "Bearer marked-token", "marked@pass", "marked%40pass", "http://push:marked%40pass@push.example.com:9091/base",
		url.QueryEscape("marked@pass"),
	} {
		assert.NotContains(t, n.Redact(text), "marked", text)
		assert.NotContains(t, n.Redact(text), "MARKED", text)
	}
	assert.NotContains(t, n.Redact("Authorization: Basic cHVzaDptYXJrZWRAcGFzcw=="), "cHVza")
	behind := newNotifier(t, func(o *Options) {
		o.Getenv = environment(map[string]string{"HTTPS_PROXY": "http://me:marked pass@proxy:3128"})
	})
	assert.NotContains(t, behind.Redact(`invalid proxy address "http://me:marked pass@proxy:3128"`), "marked")
	const text = "hooks.example.com services base push.example.com a=1"
	assert.Equal(t, text, n.Redact(text), "other text is unchanged")
}
