package console

import (
	"context"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/shiplock/shiplock/internal/notify"
	"github.com/shiplock/shiplock/internal/report"
)

// WriteReport writes the report of a run to standard error, in the format of the log.
func (c *Console) WriteReport(m notify.Message) error {
	if c.options.LogFormat == LogJSON {
		return logReport(c.log, m)
	}
	if m.Succeeded() {
		_, err := io.WriteString(c.stderr, m.Report)
		return err
	}
	return report.Report{Code: m.ExitCode, Title: m.Title, Rows: m.Rows}.Write(c.stderr, c.color)
}

// logReport writes the report as one log record, with its rows as fields.
func logReport(log *slog.Logger, m notify.Message) error {
	level := slog.LevelError
	if m.Succeeded() {
		level = slog.LevelInfo
	}
	r := slog.NewRecord(time.Now(), level, m.Title, 0)
	r.AddAttrs(slog.Int("code", m.ExitCode))
	for _, row := range m.Rows {
		r.AddAttrs(slog.String(strings.ReplaceAll(row.Name, " ", "_"), row.Text))
	}
	return log.Handler().Handle(context.Background(), r)
}
