package slack

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/notify/httprequest"
	"github.com/shiplock/shiplock/internal/test/fixture"
	"github.com/shiplock/shiplock/internal/test/messages"
)

func TestRender_Message_MatchesGolden(t *testing.T) {
	for name, m := range messages.All() {
		body, contentType, err := Render(m)
		require.NoError(t, err)
		assert.Equal(t, httprequest.ContentJSON, contentType)
		fixture.Golden(t, name+".slack", fixture.IndentedJSON(t, body))
	}
}

// File names, error messages and statements are plain text to Slack, and to other products
// that read its format.
func TestSlack_HostileText_IsEscaped(t *testing.T) {
	hostile := "<!channel> <!here> <@U024BE7LH> <http://evil.example|all is well> @here (@all) @channel [all is well](http://evil.example) & ``` *bold* ana@example.com"
	m := messages.Failure()
	m.Title = hostile
	m.Report = "shiplock: " + hostile + "\n  statement  " + hostile + "\n             ````` @here\n  next       " + hostile + "\n"
	m.Release = hostile
	body, _, err := Render(m)
	require.NoError(t, err)
	var got message
	require.NoError(t, json.Unmarshal(body, &got))
	a := got.Attachments[0]
	for _, text := range []string{got.Text, a.Text, a.Fallback, a.Footer} {
		assert.NotContains(t, text, "<")
		assert.NotContains(t, text, ">")
		assert.NotRegexp(t, `&[^agl]`, text)
	}
	for _, text := range []string{got.Text, a.Fallback, a.Footer} {
		assert.NotRegexp(t, `(^|\W)@(here|all|channel)`, text)
		assert.NotContains(t, text, "](")
		assert.NotContains(t, text, "`")
		assert.Contains(t, text, "ana@example.com", "an address can be copied")
	}
	fenced, ok := strings.CutPrefix(a.Text, "```\n")
	require.True(t, ok)
	fenced, ok = strings.CutSuffix(fenced, "\n```")
	require.True(t, ok)
	assert.NotContains(t, fenced, "``", "the report cannot close the fence")
	assert.False(t, got.UnfurlLinks || got.UnfurlMedia)
}

func TestSlack_LongReport_IsCut(t *testing.T) {
	m := messages.Failure()
	m.Title = strings.Repeat("é", 2000)
	m.Report = "shiplock: x\n" + strings.Repeat("  statement  "+strings.Repeat("&<>", 20)+"\n", 100) + "  next       deploy again\n"
	body, _, err := Render(m)
	require.NoError(t, err)
	var got message
	require.NoError(t, json.Unmarshal(body, &got))
	assert.LessOrEqual(t, len(got.Text), maxTitle+3)
	text := got.Attachments[0].Text
	assert.Less(t, len(text), 8000)
	assert.True(t, strings.HasSuffix(text, "  next       deploy again\n```"), "the advice is not cut")
	assert.NotRegexp(t, `&[agl][mt]?p?(\n|$|…)`, text, "no escape is cut in two")
	assert.Contains(t, text, "\n…\n")
}
