package github

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/notify"
)

// gitHubWithSummary returns a GitHub with its output and the path of its step summary.
func gitHubWithSummary(t *testing.T) (*Runner, *bytes.Buffer, string) {
	t.Helper()
	dir, out := t.TempDir(), &bytes.Buffer{}
	summary := filepath.Join(dir, "summary.md")
	return New(environment(map[string]string{"GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": dir, "GITHUB_STEP_SUMMARY": summary}), out), out, summary
}

// Hostile file names become neither Markdown, HTML nor commands.
func TestFindings_HostileNames_AreEscaped(t *testing.T) {
	t.Parallel()
	g, out, summary := gitHubWithSummary(t)
	hostile := "1_<img src=x>|[x](http://y)`*_~#@all ::error::forged\n::error::forged\r##[error]x"
	require.NoError(t, g.Findings("Rehearsal: "+hostile, []Finding{
		{Kind: "schema not restored", Failure: true, Position: notify.Position{File: hostile, Line: 3}, Text: hostile, Detail: "```\n````\n" + hostile},
		{Kind: "data loss", Position: notify.Position{File: "1_a.down.sql", Line: 1}, Text: "it takes"},
	}, "."))
	require.NoError(t, g.Close())
	commands := runnerCommands(out.String())
	require.Len(t, commands, 2, out.String())
	assert.True(t, strings.HasPrefix(commands[0], "::error title=1_<img"), "the repository has no file of that name: %s", commands[0])
	assert.Equal(t, "::notice title=1_a.down.sql%3A data loss::it takes", commands[1])
	text, err := os.ReadFile(summary)
	require.NoError(t, err)
	table, _, found := strings.Cut(string(text), "`````text\n")
	require.True(t, found, "the fence is longer than any fence within: %s", text)
	plain := regexp.MustCompile(`&#\d+;`).ReplaceAllString(table, "")
	plain = strings.NewReplacer("### Rehearsal", "", "**error**", "", "|---|---|---|---|", "", "| ", "", " |", "").Replace(plain)
	assert.NotRegexp(t, "[<>|\\[\\]`*_~#@]", plain)
	assert.Equal(t, 3, strings.Count(table, "\n| "), "one row per finding: %s", table)
}

func TestFindings_Many_AreLimited(t *testing.T) {
	t.Parallel()
	g, out, summary := gitHubWithSummary(t)
	var findings []Finding
	for i := range 3 * maxFindings {
		findings = append(findings, Finding{Kind: "schema not restored", Failure: true, Position: notify.Position{File: fmt.Sprint(i), Line: 1}, Text: "x", Detail: strings.Repeat("y", 10<<10)})
	}
	require.NoError(t, g.Findings("many", findings, "."))
	require.NoError(t, g.Close())
	assert.Len(t, runnerCommands(out.String()), 3*maxFindings)
	text, err := os.ReadFile(summary)
	require.NoError(t, err)
	assert.Contains(t, string(text), fmt.Sprintf("\nand %d more, in the log\n", 2*maxFindings))
	assert.Less(t, len(text), 1<<20, "GitHub's limit")
}
