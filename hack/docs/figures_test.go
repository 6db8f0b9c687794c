package docs

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/shiplock/shiplock/hack/bench/result"
)

var (
	// claim matches text that reads like a measurement: a duration, a size of memory, a ratio.
	claim = regexp.MustCompile(`(?i)\b(takes?|took|costs?|peaks?|needs?|uses?|within|below|less than|at most|under)\b[^.|]{0,40}\b\d[\d.,]* ?(ms|µs|MB|MiB)\b|\d ?×|\btimes (as )?(fast|slow|less|more)|\b(faster|slower|smaller) than\b`)
	// source matches the link to the figure that a claim is taken from.
	source = regexp.MustCompile(`benchmarks/README\.md#([a-z-]+)|make bench FIGURE=([a-z-]+)`)
)

// TestFigures_Quoted_HaveASource checks that each measurement quoted in a page links, in
// the same paragraph, to the figure of make bench that reproduces it. Decision records
// state what was known on their date, and the reports of make bench and make chaos are
// the sources.
func TestFigures_Quoted_HaveASource(t *testing.T) {
	quoted := 0
	for _, page := range pages(t) {
		if strings.HasPrefix(page, "docs/adr/") || strings.HasPrefix(page, "docs/benchmarks/") || page == "docs/background/fault-injection.md" {
			continue
		}
		// A failure report states limits of the program, which its tests check, and no measurements.
		for _, paragraph := range paragraphs(reportBlock.ReplaceAllString(read(t, page), "")) {
			found := source.FindAllStringSubmatch(paragraph, -1)
			for _, m := range found {
				assert.Containsf(t, result.Names, m[1]+m[2], "%s: there is no such figure", page)
				quoted++
			}
			if claimed := claim.FindString(paragraph); claimed != "" {
				assert.NotEmptyf(t, found, "%s: %q: link docs/benchmarks/README.md#figure beside it, or remove the claim", page, claimed)
			}
		}
	}
	assert.Positive(t, quoted)
}

// paragraphs splits a page at its blank lines; each row of a table is a paragraph.
func paragraphs(text string) []string {
	var out []string
	for block := range strings.SplitSeq(text, "\n\n") {
		if strings.HasPrefix(strings.TrimSpace(block), "|") {
			out = append(out, strings.Split(block, "\n")...)
			continue
		}
		out = append(out, block)
	}
	return out
}

func TestFigures_Claims_Found(t *testing.T) {
	for text, want := range map[string]bool{
		"1 GB of `INSERT`s or rows takes less than 50 MB.":                   true,
		"The migrator peaks below 30 MB when it has nothing to do":           true,
		"3 × faster than golang-migrate":                                     true,
		"It is faster than goose.":                                           true,
		"the SQL itself (up to 1 MB where it was one transaction)":           false,
		"above 256 kB one is sent bit by bit inside of one transaction":      false,
		"cancels after 5 s (`--lock-timeout`), retries, reports the session": false,
		"A migration of 1 GB with the real program, and 5 GB of disk: ok":    false,
	} {
		assert.Equal(t, want, claim.MatchString(text), text)
	}
}
