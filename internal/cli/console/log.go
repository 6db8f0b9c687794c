package console

import (
	"log/slog"

	"github.com/shiplock/shiplock/internal/cli/sanitize"
)

// newLog returns the log, whose warnings are also annotations in GitHub Actions. source is
// the migrations directory.
func (c *Console) newLog(source string) *slog.Logger {
	opts := &slog.HandlerOptions{Level: c.options.LogLevel, ReplaceAttr: c.redactAttr}
	var h slog.Handler = slog.NewTextHandler(c.stderr, opts)
	if c.JSON() {
		h = slog.NewJSONHandler(c.stderr, opts)
	}
	if c.github != nil {
		h = c.github.Handler(h, source)
	}
	return slog.New(h)
}

// redactAttr removes secrets, and characters that a terminal would interpret, from a log
// attribute. The log handlers themselves escape line breaks and the other C0 controls.
func (c *Console) redactAttr(_ []string, attr slog.Attr) slog.Attr {
	switch v := attr.Value.Any().(type) {
	case string:
		attr.Value = slog.StringValue(sanitize.Text(c.redact(v)))
	case error:
		attr.Value = slog.StringValue(sanitize.Text(c.redact(v.Error())))
	case []string:
		shown := make([]string, len(v))
		for i, s := range v {
			shown[i] = sanitize.Text(c.redact(s))
		}
		attr.Value = slog.AnyValue(shown)
	}
	return attr
}
