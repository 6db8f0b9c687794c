// Package slack has the format of messages that Slack's incoming webhooks accept, and those of
// Mattermost, Rocket.Chat and Discord.
//
// Render makes the body of a webhook's request from a message; no text in it becomes a mention or
// a link. Package cli/notifications passes it to package webhook.
package slack

import (
	"strings"

	"github.com/shiplock/shiplock/internal/notify"
	"github.com/shiplock/shiplock/internal/notify/httprequest"
	"github.com/shiplock/shiplock/internal/text"
)

// Slack truncates a message's text at 40,000 characters, and rejects a long attachment; the
// lowest documented limit is 8,000. The title is what a phone shows.
const (
	maxTitle = 300
	maxHead  = 5000
	maxTail  = 2000
)

type message struct {
	Text        string       `json:"text"`
	UnfurlLinks bool         `json:"unfurl_links"`
	UnfurlMedia bool         `json:"unfurl_media"`
	Attachments []attachment `json:"attachments"`
}

// A attachment is the older format, which Mattermost, Rocket.Chat and Discord also
// support.
type attachment struct {
	Color    string   `json:"color"`
	Fallback string   `json:"fallback"`
	Text     string   `json:"text"`
	MarkUpIn []string `json:"mrkdwn_in"`
	Footer   string   `json:"footer,omitempty"`
	Time     int64    `json:"ts"`
}

// Render returns the message for an incoming webhook: the title, and below it the report
// in a code fence.
func Render(m notify.Message) ([]byte, string, error) {
	title := plain(text.Clip(m.Title, maxTitle))
	_, rest, _ := strings.Cut(m.Report, "\n")
	color := "danger"
	if m.Succeeded() {
		color = "good"
	}
	body, err := httprequest.EncodeJSON(message{Text: title, Attachments: []attachment{{
		Color: color, Fallback: title, Text: "```\n" + withoutMiddle(code(strings.TrimRight(rest, "\n"))) + "\n```",
		MarkUpIn: []string{"text"}, Footer: plain(text.Clip(location(m), maxTitle)), Time: m.Ended.Unix(),
	}}})
	return body, httprequest.ContentJSON, err
}

// location returns the release and the database.
func location(m notify.Message) string {
	var parts []string
	for _, p := range [][2]string{{"", m.Release}, {"revision ", m.Revision}, {"namespace ", m.Namespace}, {"database ", m.Database}} {
		if p[1] != "" {
			parts = append(parts, p[0]+p[1])
		}
	}
	return strings.Join(parts, ", ")
}

// escape is the escaping that Slack documents ("Escaping text"): <!here>, <@U123> and
// <http://x|y> become plain text.
var escape = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// zeroWidthSpace is an invisible space.
const zeroWidthSpace = "\u200b"

// plain returns text for outside of a code fence. A zero-width space breaks what other
// products render as a mention or a link: @all and [x](y).
func plain(s string) string {
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
	return escape.Replace(b.String())
}

// code returns text for within a code fence, which it cannot close.
func code(s string) string {
	s = strings.ReplaceAll(s, "``", "`"+zeroWidthSpace+"`")
	return escape.Replace(strings.ReplaceAll(s, "``", "`"+zeroWidthSpace+"`"))
}

// withoutMiddle removes the middle of a long report, by whole lines: the start has the failure, and
// the end has the advice.
func withoutMiddle(s string) string {
	if len(s) <= maxHead+maxTail {
		return s
	}
	head, tail := s[:maxHead], s[len(s)-maxTail:]
	head = head[:max(strings.LastIndexByte(head, '\n'), 0)]
	if i := strings.IndexByte(tail, '\n'); i >= 0 {
		tail = tail[i:]
	}
	return head + "\n…" + strings.ToValidUTF8(tail, "")
}
