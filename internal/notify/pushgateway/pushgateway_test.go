package pushgateway

import (
	"os"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/test/fixture"
	"github.com/shiplock/shiplock/internal/test/messages"
)

func TestMetrics_Message_MatchesGolden(t *testing.T) {
	for name, m := range messages.All() {
		fixture.Golden(t, name+".metrics", groupPath(m)+"\n"+metrics(m))
	}
}

// The page's table of metrics is complete.
func TestDocs_Metrics_MatchCode(t *testing.T) {
	text, err := os.ReadFile("../../../docs/guides/notifications.md")
	require.NoError(t, err)
	for _, name := range regexp.MustCompile(`# TYPE (\w+) `).FindAllStringSubmatch(metrics(messages.Success()), -1) {
		assert.Contains(t, string(text), "\n| `"+name[1], "the table of metrics")
	}
}

func TestChangesDatabase_Wait_HasNoMetrics(t *testing.T) {
	wait := messages.Failure()
	wait.Command = "wait"
	assert.False(t, changesDatabase(wait), "wait has no metrics")
	idle := messages.Success()
	idle.Changed = false
	assert.True(t, changesDatabase(idle))
}
