package output

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/shiplock/shiplock/internal/rehearsal"
	"github.com/shiplock/shiplock/internal/schema"
	"github.com/shiplock/shiplock/internal/text"
)

// Rehearsal prints the result of migrator rehearse: its findings in the form of a compiler's
// messages, with paths in the migrations directory source. redact removes secrets.
func Rehearsal(w io.Writer, r rehearsal.Rehearsal, source string, redact func(string) string) error {
	var out strings.Builder
	for _, f := range r.Findings {
		fmt.Fprintf(&out, "%s:%d: %s: %s\n", filepath.Join(source, cell(f.File)), f.Line, cell(f.Kind), cell(f.Message))
		out.WriteString(Differences(f.Differences))
	}
	out.WriteString(RehearsalSummary(r, " on "+cell(r.Database)) + "\n")
	_, err := io.WriteString(w, redact(out.String()))
	return err
}

// RehearsalSummary describes the number of migrations rehearsed and of failures. where follows
// the number of migrations.
func RehearsalSummary(r rehearsal.Rehearsal, where string) string {
	migrations := text.Plural(r.Total, "migration")
	if r.Total > r.Rehearsed {
		migrations = fmt.Sprintf("%d of %s", r.Rehearsed, migrations)
	}
	return fmt.Sprintf("%s rehearsed%s, %s", migrations, where, text.Plural(len(r.Failures()), "fault"))
}

// Differences describes each difference between two schemas in three indented lines.
func Differences(differences []schema.Difference) string {
	var out strings.Builder
	for _, d := range differences {
		before, after := cell(d.Before), cell(d.After)
		switch {
		case before == "" && after == "": // the definition of a schema may be empty
			before, after = "existed", "recreated"
		case before == "":
			before = "did not exist"
		case after == "":
			after = "does not exist"
		}
		fmt.Fprintf(&out, "    %s\n      before  %s\n      after   %s\n", cell(d.Object), before, after)
	}
	return out.String()
}
