package output

import (
	"fmt"
	"strings"

	"github.com/shiplock/shiplock/internal/check"
	"github.com/shiplock/shiplock/internal/text"
)

// MarkdownMarker is the first line of the Markdown, by which a job finds its earlier comment in a
// pull request.
const MarkdownMarker = "<!-- shiplock check -->"

// maxMarkdown is the size of the Markdown in bytes; GitHub and GitLab accept comments of 65,536
// characters.
const maxMarkdown = 60_000

// markdown returns a comment for a pull request.
func markdown(r check.Result) string {
	var out, details strings.Builder
	fmt.Fprintf(&out, "%s\n### migrator check\n\n%s\n", MarkdownMarker, escapeMarkdown(Summary(r)))
	for i, f := range r.Findings {
		if i == 0 {
			out.WriteString("\n| severity | rule | at | reason |\n|---|---|---|---|\n")
		}
		at := fmt.Sprintf("%s:%d", f.File, f.Line)
		row := fmt.Sprintf("| %s | [%[2]s](%[3]s%[2]s.md) | %[4]s | %[5]s |\n", f.Severity, f.Rule, DocsURL, escapeMarkdown(at), escapeMarkdown(f.Message))
		detail := ""
		if f.Lock != nil || f.Instead != "" {
			detail = "\n**" + escapeMarkdown(at) + "** " + f.Rule + "\n"
		}
		if f.Lock != nil {
			detail += "\nLock: " + escapeMarkdown(lockText(*f.Lock)) + "\n"
		}
		if f.Instead != "" {
			detail += "\n" + fence(f.Instead)
		}
		if out.Len()+details.Len()+len(row)+len(detail) > maxMarkdown {
			fmt.Fprintf(&out, "\nand %d more\n", len(r.Findings)-i)
			break
		}
		out.WriteString(row)
		details.WriteString(detail)
	}
	if details.Len() > 0 {
		out.WriteString("\n<details><summary>Locks, and what to write instead</summary>\n" + details.String() + "\n</details>\n")
	}
	return out.String()
}

// escapeMarkdown returns text that Markdown and HTML show unchanged, in one line.
func escapeMarkdown(s string) string {
	var out strings.Builder
	for _, r := range text.CleanLine(s) {
		if strings.ContainsRune("\\`*[]<>|#&~@", r) {
			fmt.Fprintf(&out, "&#%d;", r)
			continue
		}
		out.WriteRune(r)
	}
	return out.String()
}

// fence returns SQL as a block of code. The fence is longer than any in the SQL.
func fence(sql string) string {
	ticks := "```"
	for strings.Contains(sql, ticks) {
		ticks += "`"
	}
	return ticks + "sql\n" + text.Clean(strings.TrimRight(sql, "\n")) + "\n" + ticks + "\n"
}
