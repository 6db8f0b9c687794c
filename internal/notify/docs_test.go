package notify

import (
	"os"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The page's table of outcomes is complete.
func TestDocs_Outcomes_MatchCode(t *testing.T) {
	text, err := os.ReadFile("../../docs/guides/notifications.md")
	require.NoError(t, err)
	for code, o := range outcomes {
		row := regexp.MustCompile("(?m)^\\| `" + o.name + "` \\| (\\S+) \\| `" + o.reason + "` \\|$").FindStringSubmatch(string(text))
		require.NotNil(t, row, o.name)
		assert.Equal(t, Outcome(code), o.name)
	}
}
