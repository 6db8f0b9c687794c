package docs

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/test/fixture"
)

const troubleshooting = "docs/guides/troubleshooting.md"

var (
	// reportBlock matches a failure report of the page and the line above it.
	reportBlock = regexp.MustCompile("(?s)(\n([^\n]+)\n\n<!-- report: ([a-z0-9-]+) -->\n```text\n)(.*?)(```)")
	// reportIndex matches the table at the top of the page.
	reportIndex = regexp.MustCompile(`(?s)(<!-- index: [^\n]*-->\n)(.*?)(<!-- end of index -->)`)
)

// goldenReports returns the failure reports of the tests of internal/cli, by name.
func goldenReports(t *testing.T) map[string]string {
	t.Helper()
	reports := map[string]string{}
	files, err := filepath.Glob(filepath.Join(root, "internal/cli/testdata/*.golden"))
	require.NoError(t, err)
	for _, f := range files {
		text, err := os.ReadFile(f)
		require.NoError(t, err)
		if strings.HasPrefix(string(text), "shiplock: ") {
			reports[strings.TrimSuffix(filepath.Base(f), ".golden")] = string(text)
		}
	}
	assert.Greater(t, len(reports), 90)
	return reports
}

// TestTroubleshooting_EveryReport_Shown compares the page with the failure reports that
// the tests of internal/cli print: each is on the page, unchanged, below its exit code
// and a line that describes when it appears.
func TestTroubleshooting_EveryReport_Shown(t *testing.T) {
	reports := goldenReports(t)
	page := read(t, troubleshooting)
	if fixture.Updating() {
		page = reportBlock.ReplaceAllStringFunc(page, func(block string) string {
			m := reportBlock.FindStringSubmatch(block)
			return m[1] + reports[m[3]] + m[5]
		})
		page = reportIndex.ReplaceAllStringFunc(page, func(block string) string {
			m := reportIndex.FindStringSubmatch(block)
			return m[1] + indexOf(page) + m[3]
		})
		require.NoError(t, os.WriteFile(filepath.Join(root, troubleshooting), []byte(page), 0o600))
	}
	shown := map[string]bool{}
	for _, m := range reportBlock.FindAllStringSubmatch(page, -1) {
		assert.False(t, shown[m[3]], "%s is shown twice", m[3])
		shown[m[3]] = true
		assert.Equal(t, reports[m[3]], m[4], "%s: run go test ./hack/docs -update", m[3])
		assert.Regexp(t, `^Exit code \d+\. \S`, m[2], "%s needs its exit code and a line that describes when it appears", m[3])
	}
	for name := range reports {
		assert.True(t, shown[name], "%s has no report: %s; add one below its exit code and a line that describes when it appears", troubleshooting, name)
	}
}

// TestTroubleshooting_Index_Current compares the index with the headings below it.
func TestTroubleshooting_Index_Current(t *testing.T) {
	page := read(t, troubleshooting)
	m := reportIndex.FindStringSubmatch(page)
	require.NotNil(t, m)
	assert.Equal(t, indexOf(page), m[2], "run go test ./hack/docs -update")
	anchors := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(page, -1) {
		assert.False(t, anchors[anchor(m[1])], "two headings lead to #%s", anchor(m[1]))
		anchors[anchor(m[1])] = true
	}
}

// indexOf returns the index of the page: a row per heading with a failure report, with
// the SQLSTATEs of its reports and their exit codes, by alphabet.
func indexOf(page string) string {
	var rows []string
	for _, section := range strings.Split(page, "\n### ")[1:] {
		title, _, _ := strings.Cut(section, "\n")
		var states, codes []string
		for _, m := range reportBlock.FindAllStringSubmatch(section, -1) {
			// A row of a report is wrapped at its width.
			states = append(states, submatches(`SQLSTATE\s+([0-9A-Z]{5})\)`, m[2]+m[4])...)
			codes = append(codes, submatches(`^Exit code (\d+)\.`, m[2])...)
		}
		rows = append(rows, fmt.Sprintf("| [%s](#%s) | %s | %s |\n", title, anchor(title), joined(states), joined(codes)))
	}
	slices.SortStableFunc(rows, func(a, b string) int { return cmp.Compare(strings.ToLower(a), strings.ToLower(b)) })
	return "| message or topic | SQLSTATE | exit code |\n|---|---|---|\n" + strings.Join(rows, "")
}

func submatches(pattern, text string) []string {
	var out []string
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		out = append(out, m[1])
	}
	return out
}

// joined returns the values without duplicates.
func joined(values []string) string {
	slices.SortFunc(values, func(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) })
	return strings.Join(slices.Compact(values), ", ")
}

// anchor returns the anchor that GitHub gives to a heading.
func anchor(heading string) string {
	heading = regexp.MustCompile(`[^\p{L}\p{N} _-]`).ReplaceAllString(strings.ToLower(heading), "")
	return strings.ReplaceAll(heading, " ", "-")
}
