package notify

import (
	"strings"

	"github.com/shiplock/shiplock/internal/text"
)

// Slack truncates a message's text at 40,000 characters, and rejects a long attachment; the
// lowest documented limit is 8,000. The title is what a phone shows.
const (
	maxSlackTitle = 300
	maxSlackHead  = 5000
	maxSlackTail  = 2000
)

type slackMessage struct {
	Text        string            `json:"text"`
	UnfurlLinks bool              `json:"unfurl_links"`
	UnfurlMedia bool              `json:"unfurl_media"`
	Attachments []slackAttachment `json:"attachments"`
}

// A slackAttachment is the older format, which Mattermost, Rocket.Chat and Discord also
// support.
type slackAttachment struct {
	Color    string   `json:"color"`
	Fallback string   `json:"fallback"`
	Text     string   `json:"text"`
	MarkUpIn []string `json:"mrkdwn_in"`
	Footer   string   `json:"footer,omitempty"`
	Time     int64    `json:"ts"`
}

// renderSlack returns the message for an incoming webhook: the title, and below it the report
// in a code fence.
func renderSlack(m Message) ([]byte, string, error) {
	title := slackText(text.Clip(m.Title, maxSlackTitle))
	_, rest, _ := strings.Cut(m.Report, "\n")
	color := "danger"
	if m.Succeeded() {
		color = "good"
	}
	body, err := encode(slackMessage{Text: title, Attachments: []slackAttachment{{
		Color: color, Fallback: title, Text: "```\n" + withoutMiddle(slackCode(strings.TrimRight(rest, "\n"))) + "\n```",
		MarkUpIn: []string{"text"}, Footer: slackText(text.Clip(m.location(), maxSlackTitle)), Time: m.Ended.Unix(),
	}}})
	return body, contentJSON, err
}

// location returns the release and the database.
func (m Message) location() string {
	var parts []string
	for _, p := range [][2]string{{"", m.Release}, {"revision ", m.Revision}, {"namespace ", m.Namespace}, {"database ", m.Database}} {
		if p[1] != "" {
			parts = append(parts, p[0]+p[1])
		}
	}
	return strings.Join(parts, ", ")
}

// slackEscape is the escaping that Slack documents ("Escaping text"): <!here>, <@U123> and
// <http://x|y> become plain text.
var slackEscape = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// zeroWidthSpace is an invisible space.
const zeroWidthSpace = "\u200b"

// slackText returns text for outside of a code fence. A zero-width space breaks what other
// products render as a mention or a link: @all and [x](y).
func slackText(s string) string {
	s = strings.ReplaceAll(text.OneLine(s), "](", "]"+zeroWidthSpace+"(")
	s = strings.ReplaceAll(s, "`", "'")
	var b strings.Builder
	inWord := false
	for _, r := range s {
		b.WriteRune(r)
		if r == '@' && !inWord { // name@host is not a mention
			b.WriteString(zeroWidthSpace)
		}
		inWord = r != ' ' && !strings.ContainsRune(`("'[,;:`, r)
	}
	return slackEscape.Replace(b.String())
}

// slackCode returns text for within a code fence, which it cannot close.
func slackCode(s string) string {
	s = strings.ReplaceAll(s, "``", "`"+zeroWidthSpace+"`")
	return slackEscape.Replace(strings.ReplaceAll(s, "``", "`"+zeroWidthSpace+"`"))
}

// withoutMiddle removes the middle of a long report, by whole lines: the start has the failure, and
// the end has the advice.
func withoutMiddle(s string) string {
	if len(s) <= maxSlackHead+maxSlackTail {
		return s
	}
	head, tail := s[:maxSlackHead], s[len(s)-maxSlackTail:]
	head = head[:max(strings.LastIndexByte(head, '\n'), 0)]
	if i := strings.IndexByte(tail, '\n'); i >= 0 {
		tail = tail[i:]
	}
	return head + "\n…" + strings.ToValidUTF8(tail, "")
}
