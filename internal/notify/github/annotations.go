package github

import (
	"context"
	"log/slog"
	"strconv"
	"strings"

	"github.com/shiplock/shiplock/internal/notify"
	"github.com/shiplock/shiplock/internal/text"
)

// Handler returns a handler that passes records to h and also annotates each warning, at the
// position that its fields "file" and "line" name, a file in source.
func (g *Runner) Handler(h slog.Handler, source string) slog.Handler {
	return annotationHandler{h, g, source}
}

type annotationHandler struct {
	slog.Handler
	github *Runner
	source string
}

func (a annotationHandler) Handle(ctx context.Context, r slog.Record) error {
	if err := a.Handler.Handle(ctx, r); err != nil || r.Level != slog.LevelWarn {
		return err
	}
	facts, position := []string{r.Message}, notify.Position{}
	r.Attrs(func(at slog.Attr) bool {
		switch at.Key {
		case "file":
			position.File = at.Value.String()
		case "line":
			position.Line, _ = strconv.Atoi(at.Value.String())
		}
		facts = append(facts, at.Key+": "+text.OneLine(at.Value.String()))
		return true
	})
	return a.github.Warn(r.Message, strings.Join(facts, "\n"), a.source, position)
}

func (a annotationHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return annotationHandler{a.Handler.WithAttrs(attrs), a.github, a.source}
}

func (a annotationHandler) WithGroup(name string) slog.Handler {
	return annotationHandler{a.Handler.WithGroup(name), a.github, a.source}
}
