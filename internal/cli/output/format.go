// Package output prints the results of read-only commands on standard output: as JSON, or as
// a table.
//
// Write chooses between the two by the Format of --output. Status, History, Plan, Rollback
// and Rehearsal print one result each as a table; the commands of package cli call them.
package output

import (
	"bytes"
	"encoding/json"
	"io"

	"github.com/shiplock/shiplock/internal/cli/sanitize"
)

// A Format is a value of --output.
type Format string

// The values of --output.
const (
	Table Format = "table"
	JSON  Format = "json"
)

// Write writes v as JSON, or calls table. redact removes secrets from the JSON.
func Write(w io.Writer, format Format, v any, redact func(string) string, table func(io.Writer) error) error {
	if format != JSON {
		return table(w)
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return err
	}
	_, err := io.WriteString(w, redact(sanitize.JSON(out.Bytes())))
	return err
}
