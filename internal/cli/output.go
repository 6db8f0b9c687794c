package cli

import (
	"encoding/json"
	"fmt"

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
	e := json.NewEncoder(a.stdout)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
