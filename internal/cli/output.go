package cli

import (
	"context"
	"io"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/shiplock/shiplock/internal/cli/flags"
	"github.com/shiplock/shiplock/internal/cli/output"
	"github.com/shiplock/shiplock/internal/migrator"
)

// outputFlag adds --output and sets format to its default.
func outputFlag(fs *pflag.FlagSet, format *output.Format) {
	*format = output.Table
	fs.VarP(flags.Choice(format, output.Table, output.JSON), "output", "o", "output format: table or json")
}

// show runs a read-only command and prints the value that read returns, as JSON or with table.
func show[T any](a *app, cmd *cobra.Command, format output.Format, read func(context.Context, migrator.Options) (T, error), table func(io.Writer, T) error) error {
	return a.withOptions(cmd, func(ctx context.Context, o migrator.Options) error {
		v, err := read(ctx, o)
		if err != nil {
			return err
		}
		return a.print(format, v, func(w io.Writer) error { return table(w, v) })
	})
}

// print writes v as JSON or calls table.
func (a *app) print(format output.Format, v any, table func(io.Writer) error) error {
	return output.Write(a.console.Stdout(), format, v, a.redactor.Redact, table)
}
