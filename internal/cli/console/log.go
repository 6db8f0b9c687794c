package console

import (
	"io"
	"log/slog"

	"github.com/shiplock/shiplock/internal/cli/sanitize"
	"github.com/shiplock/shiplock/internal/notify/github"
)

// newLog returns the log, whose warnings are also annotations in GitHub Actions, unless
// github is nil. source is the migrations directory.
func newLog(w io.Writer, o Options, redact func(string) string, github *github.Runner, source string) *slog.Logger {
	opts := &slog.HandlerOptions{Level: o.LogLevel, ReplaceAttr: func(_ []string, attr slog.Attr) slog.Attr { return redactAttr(attr, redact) }}
	var h slog.Handler = slog.NewTextHandler(w, opts)
	if o.LogFormat == LogJSON {
		opts.ReplaceAttr = func(_ []string, attr slog.Attr) slog.Attr { return inSeconds(redactAttr(attr, redact)) }
		h = slog.NewJSONHandler(w, opts)
	}
	if github != nil {
		h = github.Handler(h, source)
	}
	return slog.New(h)
}

// inSeconds converts a duration to a number of seconds, and names the unit.
func inSeconds(attr slog.Attr) slog.Attr {
	if attr.Value.Kind() == slog.KindDuration {
		return slog.Float64(attr.Key+"_seconds", attr.Value.Duration().Seconds())
	}
	return attr
}

// redactAttr removes secrets, and characters that a terminal would interpret, from a log
// attribute. The log handlers themselves escape line breaks and the other C0 controls.
func redactAttr(attr slog.Attr, redact func(string) string) slog.Attr {
	switch v := attr.Value.Any().(type) {
	case string:
		attr.Value = slog.StringValue(sanitize.Text(redact(v)))
	case error:
		attr.Value = slog.StringValue(sanitize.Text(redact(v.Error())))
	case []string:
		shown := make([]string, len(v))
		for i, s := range v {
			shown[i] = sanitize.Text(redact(s))
		}
		attr.Value = slog.AnyValue(shown)
	}
	return attr
}
