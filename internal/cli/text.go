package cli

import (
	"log/slog"

	"github.com/shiplock/shiplock/internal/cli/sanitize"
)

// redactAttr removes secrets, and characters that a terminal would interpret, from a log
// attribute. The log handlers themselves escape line breaks and the other C0 controls.
func (a *app) redactAttr(_ []string, attr slog.Attr) slog.Attr {
	switch v := attr.Value.Any().(type) {
	case string:
		attr.Value = slog.StringValue(sanitize.Text(a.redact(v)))
	case error:
		attr.Value = slog.StringValue(sanitize.Text(a.redact(v.Error())))
	case []string:
		shown := make([]string, len(v))
		for i, s := range v {
			shown[i] = sanitize.Text(a.redact(s))
		}
		attr.Value = slog.AnyValue(shown)
	}
	return attr
}
