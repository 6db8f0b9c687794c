package main

import (
	"fmt"
	"strings"

	"github.com/shiplock/shiplock/internal/check/finding"
)

// A Page is a generated file.
type Page struct{ file, text string }

const checksIntroduction = `[` + "`migrator check`" + `](../command-line.md#migrator-check) applies these rules to the migration files
that are new since the base. An error makes it fail with exit code 5.

| rule | severity | finding |
|---|---|---|
`

const checksSettings = `
## Settings

` + "`.shiplock.yaml`" + `, in the migrations directory or a directory above it up to the root of the git
repository, sets severities:

` + "```yaml" + `
check:
  postgres-version: 16 # major version of the server; by default the newest, 18
  rules:
    missing-down: error # error, warning or off
    mismatched-names: off
` + "```" + `

An unknown rule or key is refused with exit code 2.

## Silence a finding

A comment above a statement, or at the end of its line, silences a rule for that statement. Above
the first statement it also silences findings about the file as a whole. The reason is required:

` + "```sql" + `
-- shiplock:allow missing-down: the rows cannot be restored
DELETE FROM drafts WHERE created_at < '2020-01-01';
` + "```" + `

A comment with an unknown rule or without a reason is an error
([invalid-allow](invalid-allow.md)), and one that silences nothing is a warning
([unused-allow](unused-allow.md)). ` + "`migrator up`" + ` ignores these comments, and they are not part of a
file's checksum.
`

// Checks returns the pages of the rules of migrator check, and their index.
func Checks(rules []finding.Rule) []Page {
	var index strings.Builder
	index.WriteString("# Checks\n\n<!-- Generated from the rules by `make generate`. -->\n\n" + checksIntroduction)
	var pages []Page
	for _, r := range rules {
		fmt.Fprintf(&index, "| [%s](%[1]s.md) | %s | %s |\n", r.ID, r.Severity, cell(r.Title))
		pages = append(pages, Page{r.ID + ".md", rulePage(r)})
	}
	index.WriteString(checksSettings)
	return append(pages, Page{"README.md", index.String()})
}

func rulePage(r finding.Rule) string {
	var out strings.Builder
	fmt.Fprintf(&out, "# %s\n\n<!-- Generated from the rules by `make generate`. -->\n\n", r.ID)
	fmt.Fprintf(&out, "Finds: %s. Default severity: %s.\n\n%s\n", r.Title, r.Severity, r.Reason)
	for _, block := range []struct{ title, text string }{{"Reported", r.Avoid}, {"Instead", r.Instead}} {
		if block.text != "" {
			fmt.Fprintf(&out, "\n## %s\n\n```%s\n%s\n```\n", block.title, language(block.text), strings.TrimRight(block.text, "\n"))
		}
	}
	fmt.Fprintf(&out, "\nTo change the severity or to silence one finding, see [settings](README.md#settings).\n")
	return out.String()
}

// language returns the language of a block: SQL, commands, or neither, as for names of files.
func language(block string) string {
	first, _, _ := strings.Cut(block, " ")
	switch {
	case first == "git" || first == "migrator":
		return "sh"
	case strings.Contains(block, ";") || strings.HasPrefix(block, "--"):
		return "sql"
	}
	return "text"
}
