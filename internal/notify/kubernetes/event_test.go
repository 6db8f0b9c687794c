package kubernetes

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/notify/httprequest"
	"github.com/shiplock/shiplock/internal/report"
	"github.com/shiplock/shiplock/internal/test/fixture"
	"github.com/shiplock/shiplock/internal/test/messages"
)

func TestEvent_Message_MatchesGolden(t *testing.T) {
	for name, m := range messages.All() {
		event, err := httprequest.EncodeJSON(EventOptions{JobUID: "8c5c8d54"}.eventOf(m, "shop"))
		require.NoError(t, err)
		fixture.Golden(t, name+".event", fixture.IndentedJSON(t, event))
	}
}

// The API rejects messages of more than 1,024 bytes.
func TestEventMessage_LongRows_FitsLimit(t *testing.T) {
	m := messages.Failure()
	m.Title = strings.Repeat("é\n", 3000)
	m.Rows[2].Text = strings.Repeat("ü\n", 3000)
	got := eventMessage(m)
	assert.LessOrEqual(t, len(got), maxEventMessage)
	assert.Greater(t, len(got), maxEventMessage*8/10, "most of the limit is used")
	assert.NotContains(t, got, "\n")
	assert.Contains(t, got, "; postgres: ü; ü; ")
	assert.Contains(t, got, "; state: "+m.Rows[3].Text+"; next: "+m.Rows[4].Text, "short parts are not cut")

	m.Title = "failed"
	m.Rows = []report.Row{{Name: "next", Text: "correct the rows;\nor see them: SELECT 1;\n"}}
	assert.Equal(t, "failed; next: correct the rows; or see them: SELECT 1", eventMessage(m))
}
