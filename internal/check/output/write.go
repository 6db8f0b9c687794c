package output

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/shiplock/shiplock/internal/check"
)

// A Destination is a value of --output: a format, and where it goes.
type Destination struct {
	Format Format
	File   string // empty for standard output
}

// ParseDestination parses FORMAT or FORMAT=FILE.
func ParseDestination(value string) (Destination, error) {
	format, file, hasFile := strings.Cut(value, "=")
	d := Destination{Format(format), file}
	if !slices.Contains(Formats, d.Format) || hasFile && file == "" {
		return d, fmt.Errorf("invalid --output %q: want text, json, sarif, gitlab or markdown, or FORMAT=FILE", value)
	}
	return d, nil
}

// Write prints a result to the destination, standard output being stdout. clean is applied to the
// printed text.
func (d Destination) Write(stdout io.Writer, r check.Result, o Options, clean func(string) string) error {
	var out bytes.Buffer
	if err := Write(&out, d.Format, r, o); err != nil {
		return err
	}
	if d.File == "" {
		_, err := io.WriteString(stdout, clean(out.String()))
		return err
	}
	if err := os.WriteFile(d.File, []byte(clean(out.String())), 0o644); err != nil {
		return fmt.Errorf("cannot write --output %s: %w", d.File, err)
	}
	return nil
}

// Write prints a result.
func Write(w io.Writer, format Format, r check.Result, o Options) error {
	switch format {
	case JSON:
		return writeJSON(w, r)
	case SARIF:
		return writeJSON(w, sarifOf(r, o.Version))
	case GitLab:
		return writeJSON(w, codeQuality(r))
	case Markdown:
		_, err := io.WriteString(w, markdown(r))
		return err
	}
	_, err := io.WriteString(w, plain(r, o.Source))
	return err
}

func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
