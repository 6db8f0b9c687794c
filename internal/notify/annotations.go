package notify

import (
	"context"
	"log/slog"
	"strconv"
	"strings"
)

// Handler is h, and makes an annotation of each warning, too: at the place that its
// "file" and "line" name, a file in source.
func (g *GitHub) Handler(h slog.Handler, source string) slog.Handler {
	return annotationHandler{h, g, source}
}

type annotationHandler struct {
	slog.Handler
	github *GitHub
	source string
}

func (a annotationHandler) Handle(ctx context.Context, r slog.Record) error {
	if err := a.Handler.Handle(ctx, r); err != nil || r.Level != slog.LevelWarn {
		return err
	}
	facts, place := []string{r.Message}, Position{}
	r.Attrs(func(at slog.Attr) bool {
		switch at.Key {
		case "file":
			place.File = at.Value.String()
		case "line":
			place.Line, _ = strconv.Atoi(at.Value.String())
		}
		facts = append(facts, at.Key+": "+oneLine(at.Value.String()))
		return true
	})
	return a.github.Warn(r.Message, strings.Join(facts, "\n"), a.source, place)
}

func (a annotationHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return annotationHandler{a.Handler.WithAttrs(attrs), a.github, a.source}
}

func (a annotationHandler) WithGroup(name string) slog.Handler {
	return annotationHandler{a.Handler.WithGroup(name), a.github, a.source}
}
