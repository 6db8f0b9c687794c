package notify

import (
	"context"
	"log/slog"
	"strings"
)

// Handler is h, and makes an annotation of each warning, too.
func (g *GitHub) Handler(h slog.Handler) slog.Handler { return annotating{h, g} }

type annotating struct {
	slog.Handler
	github *GitHub
}

func (a annotating) Handle(ctx context.Context, r slog.Record) error {
	if err := a.Handler.Handle(ctx, r); err != nil || r.Level != slog.LevelWarn {
		return err
	}
	var facts []string
	r.Attrs(func(at slog.Attr) bool {
		facts = append(facts, at.Key+": "+oneLine(at.Value.String()))
		return true
	})
	return a.github.Warn(r.Message, strings.Join(append([]string{r.Message}, facts...), "\n"))
}

func (a annotating) WithAttrs(attrs []slog.Attr) slog.Handler {
	return annotating{a.Handler.WithAttrs(attrs), a.github}
}

func (a annotating) WithGroup(name string) slog.Handler {
	return annotating{a.Handler.WithGroup(name), a.github}
}
