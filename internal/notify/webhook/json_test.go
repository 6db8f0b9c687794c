package webhook

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/notify/httprequest"
	"github.com/shiplock/shiplock/internal/test/fixture"
	"github.com/shiplock/shiplock/internal/test/messages"
)

func TestJSON_Message_MatchesGolden(t *testing.T) {
	for name, m := range messages.All() {
		body, contentType, err := JSON(m)
		require.NoError(t, err)
		assert.Equal(t, httprequest.ContentJSON, contentType)
		fixture.Golden(t, name+".json", fixture.IndentedJSON(t, body))
	}
}
