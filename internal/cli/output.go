package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/pflag"

	"github.com/shiplock/shiplock/internal/config"
	"github.com/shiplock/shiplock/internal/engine"
)

// output is the value of --output: table or json.
type output string

func (o *output) flag(fs *pflag.FlagSet) {
	fs.StringVarP((*string)(o), "output", "o", "table", "output format: table or json")
}

func (o *output) check() error {
	if *o != "table" && *o != "json" {
		return &config.UsageError{Problem: fmt.Sprintf("--output is %q; want table or json", *o)}
	}
	return nil
}

// show runs a read-only command and prints the value that read returns, as JSON or with table,
// which receives a copy whose strings are sanitized.
func show[T any](ctx context.Context, a *app, o output, read func(context.Context, engine.Options) (T, error), table func(io.Writer, T) error) error {
	if err := o.check(); err != nil {
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
	return a.print(o, v, func() error { return table(a.stdout, oneLine(v)) })
}

// print writes v as JSON or calls table.
func (a *app) print(o output, v any, table func() error) error {
	if o != "json" {
		return table()
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return err
	}
	_, err := io.WriteString(a.stdout, a.redact(escapeJSON(out.Bytes())))
	return err
}
