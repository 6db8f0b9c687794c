package notify

import (
	"strings"

	"github.com/shiplock/shiplock/internal/report"
)

// Slack cuts a message's text at 40,000 characters, and refuses a long attachment;
// 8,000 is the least that is told of. The title is what a telephone shows.
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

// slackAttachment is the older way, which Mattermost, Rocket.Chat and Discord know, too.
type slackAttachment struct {
	Color    string   `json:"color"`
	Fallback string   `json:"fallback"`
	Text     string   `json:"text"`
	MarkUpIn []string `json:"mrkdwn_in"`
	Footer   string   `json:"footer,omitempty"`
	Time     int64    `json:"ts"`
}

// renderSlack makes the message of an incoming webhook: the title, and below it the card
// in a fence.
func renderSlack(m Message) ([]byte, string, error) {
	title := slackText(report.Clip(m.Title, maxSlackTitle))
	_, rest, _ := strings.Cut(m.Report, "\n")
	colour := "danger"
	if m.Succeeded() {
		colour = "good"
	}
	body, err := encode(slackMessage{Text: title, Attachments: []slackAttachment{{
		Color: colour, Fallback: title, Text: "```\n" + middle(slackCode(strings.TrimRight(rest, "\n"))) + "\n```",
		MarkUpIn: []string{"text"}, Footer: slackText(report.Clip(m.location(), maxSlackTitle)), Time: m.Ended.Unix(),
	}}})
	return body, contentJSON, err
}

// location names the release and the database.
func (m Message) location() string {
	var parts []string
	for _, p := range [][2]string{{"", m.Release}, {"revision ", m.Revision}, {"namespace ", m.Namespace}, {"database ", m.Database}} {
		if p[1] != "" {
			parts = append(parts, p[0]+p[1])
		}
	}
	return strings.Join(parts, ", ")
}

// slackEscape is all that Slack asks for (its manual, "Escaping text"): <!here>,
// <@U123> and <http://x|y> are then text.
var slackEscape = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// zeroWidthSpace is a space that nobody sees.
const zeroWidthSpace = "\u200b"

// slackText is text outside of a fence. What the others that read this format take
// for a mention or a link, @all and [x](y), is broken by a gap.
func slackText(s string) string {
	s = strings.ReplaceAll(oneLine(s), "](", "]"+zeroWidthSpace+"(")
	s = strings.ReplaceAll(s, "`", "'")
	var b strings.Builder
	inWord := false
	for _, r := range s {
		b.WriteRune(r)
		if r == '@' && !inWord { // name@host is no mention
			b.WriteString(zeroWidthSpace)
		}
		inWord = r != ' ' && !strings.ContainsRune(`("'[,;:`, r)
	}
	return slackEscape.Replace(b.String())
}

// slackCode is text within a fence, which it cannot close.
func slackCode(s string) string {
	s = strings.ReplaceAll(s, "``", "`"+zeroWidthSpace+"`")
	return slackEscape.Replace(strings.ReplaceAll(s, "``", "`"+zeroWidthSpace+"`"))
}

// middle takes out the middle of what is too long: the card begins with what failed,
// and ends with what to do. It breaks lines only.
func middle(s string) string {
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
