package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/pflag"

	"github.com/shiplock/shiplock/internal/config"
)

// output is the value of --output.
type output string

func (o *output) flag(fs *pflag.FlagSet) {
	fs.StringVarP((*string)(o), "output", "o", "table", "table or json")
}

func (o *output) check() error {
	if *o != "table" && *o != "json" {
		return &config.UsageError{Problem: fmt.Sprintf("--output is %q; want table or json", *o)}
	}
	return nil
}

// print writes v as JSON, or calls table.
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
	_, err := io.WriteString(a.stdout, a.hide(escaped(out.Bytes())))
	return err
}
