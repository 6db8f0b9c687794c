package output

import (
	"fmt"
	"path"
	"path/filepath"
	"strings"

	"github.com/shiplock/shiplock/internal/check"
	"github.com/shiplock/shiplock/internal/check/finding"
	"github.com/shiplock/shiplock/internal/text"
)

// plain prints each finding in the form of a compiler's message.
func plain(r check.Result, source string) string {
	var out strings.Builder
	for _, f := range r.Findings {
		fmt.Fprintf(&out, "%s:%d: %s: %s [%s]\n", text.CleanLine(filepath.Join(source, f.File)), f.Line, f.Severity, text.CleanLine(f.Message), f.Rule)
		if f.Lock != nil {
			fmt.Fprintf(&out, "    lock: %s\n", lockText(*f.Lock))
		}
		out.WriteString(indented(f.Instead, "    instead: ", "             "))
	}
	out.WriteString(Summary(r) + "\n")
	return out.String()
}

// indented returns lines of text below each other, with a title before the first one.
func indented(lines, first, next string) string {
	var out strings.Builder
	prefix := first
	for line := range strings.Lines(lines) {
		out.WriteString(prefix + text.CleanLine(strings.TrimRight(line, "\n")) + "\n")
		prefix = next
	}
	return out.String()
}

// lockText describes a lock and what it blocks.
func lockText(l finding.Lock) string {
	out := fmt.Sprintf("%s on %s, blocks %s", l.Mode, text.CleanLine(l.Table), l.Blocks)
	if l.HeldSinceLine > 0 {
		out += fmt.Sprintf(", held since line %d", l.HeldSinceLine)
	}
	return out
}

// Summary describes in one line what was checked and found.
func Summary(r check.Result) string {
	what := "no base, so every file is new (set --base)"
	if r.Base != nil {
		what = fmt.Sprintf("%d new since %s, which is at version %d", r.NewFiles, text.CleanLine(r.Base.Ref), r.Base.Version)
	}
	return fmt.Sprintf("%s checked, %s: %s, %s", text.Plural(r.Files, "file"), what,
		text.Plural(finding.Count(r.Findings, finding.Error), "error"), text.Plural(finding.Count(r.Findings, finding.Warning), "warning"))
}

// pathOf returns the path of a file from the root of the repository.
func pathOf(r check.Result, file string) string { return path.Join(r.Directory, file) }
