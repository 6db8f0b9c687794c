package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var shownCard = regexp.MustCompile("(?s)(\n([^\n]+)\n\n<!-- card: ([a-z0-9-]+) -->\n```text\n)(.*?)(```)")

// TestFailuresShowEveryCard holds docs/guides/troubleshooting.md against the cards that the tests
// of internal/cli have seen: each is there, as it is, with a line on when one sees it.
func TestFailuresShowEveryCard(t *testing.T) {
	cards := map[string]string{}
	files, err := filepath.Glob(filepath.Join(root, "internal/cli/testdata/*.golden"))
	require.NoError(t, err)
	for _, f := range files {
		text, err := os.ReadFile(f)
		require.NoError(t, err)
		if strings.HasPrefix(string(text), "shiplock: ") {
			cards[strings.TrimSuffix(filepath.Base(f), ".golden")] = string(text)
		}
	}
	assert.Greater(t, len(cards), 90)
	page := read(t, "docs/guides/troubleshooting.md")
	if *update {
		page = shownCard.ReplaceAllStringFunc(page, func(block string) string {
			m := shownCard.FindStringSubmatch(block)
			return m[1] + cards[m[3]] + m[5]
		})
		require.NoError(t, os.WriteFile(filepath.Join(root, "docs/guides/troubleshooting.md"), []byte(page), 0o600))
	}
	shown := map[string]bool{}
	for _, m := range shownCard.FindAllStringSubmatch(page, -1) {
		assert.False(t, shown[m[3]], "%s is there twice", m[3])
		shown[m[3]] = true
		assert.Equal(t, cards[m[3]], m[4], "%s: go test ./hack/docs -update writes it anew", m[3])
		assert.NotRegexp(t, "^(#|```)", m[2], "%s needs a line on when one sees it", m[3])
	}
	for name := range cards {
		assert.True(t, shown[name], "docs/guides/troubleshooting.md has no card: %s; add one with a line on when one sees it", name)
	}
}
