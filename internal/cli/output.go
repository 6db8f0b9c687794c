package cli

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/pflag"

	"github.com/shiplock/shiplock/internal/cli/output"
	"github.com/shiplock/shiplock/internal/config"
	"github.com/shiplock/shiplock/internal/engine"
)

func outputFlag(fs *pflag.FlagSet, format *output.Format) {
	fs.StringVarP((*string)(format), "output", "o", string(output.Table), "output format: table or json")
}

func checkOutput(format output.Format) error {
	if format != output.Table && format != output.JSON {
		return &config.UsageError{Problem: fmt.Sprintf("--output is %q; want table or json", format)}
	}
	return nil
}

// show runs a read-only command and prints the value that read returns, as JSON or with table.
func show[T any](ctx context.Context, a *app, format output.Format, read func(context.Context, engine.Options) (T, error), table func(io.Writer, T) error) error {
	if err := checkOutput(format); err != nil {
		return err
	}
	ctx, cancel, options, err := a.options(ctx)
	if err != nil {
		return err
	}
	defer cancel()
	v, err := read(ctx, options)
	if err != nil {
		return err
	}
	return a.print(format, v, func(w io.Writer) error { return table(w, v) })
}

// print writes v as JSON or calls table.
func (a *app) print(format output.Format, v any, table func(io.Writer) error) error {
	return output.Write(a.stdout, format, v, a.redact, table)
}
