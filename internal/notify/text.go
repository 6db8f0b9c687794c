package notify

import (
	"cmp"
	"net/url"
	"slices"
	"strings"
	"unicode"
)

// Minimum lengths for a part of a URL to be treated as a secret: hiding shorter parts would
// make messages unreadable.
const (
	minSecret  = 4
	minSegment = 8
)

// addSecret makes Redact hide a text.
func (n *Notifier) addSecret(texts ...string) {
	for _, s := range texts {
		if len(s) >= minSecret && !slices.Contains(n.secrets, s) {
			n.secrets = append(n.secrets, s)
		}
	}
	slices.SortStableFunc(n.secrets, func(a, b string) int { return cmp.Compare(len(b), len(a)) }) // one may be part of another
}

// addURLSecrets makes Redact hide a URL and its secret parts: the path of a Slack webhook
// alone allows sending messages to it.
func (n *Notifier) addURLSecrets(text string, u *url.URL) {
	n.addSecret(text, u.String())
	if u.User != nil {
		password, _ := u.User.Password()
		n.addSecret(password, url.QueryEscape(password), url.PathEscape(password), u.User.String(), basicAuth(u.User))
	}
	for _, values := range u.Query() {
		for _, v := range values {
			n.addSecret(v, url.QueryEscape(v))
		}
	}
	for segment := range strings.SplitSeq(u.Path, "/") {
		if len(segment) >= minSegment && strings.ContainsFunc(segment, func(r rune) bool { return unicode.IsDigit(r) || unicode.IsUpper(r) }) {
			n.addSecret(segment, url.PathEscape(segment))
		}
	}
	if len(u.Path) >= minSegment {
		n.addSecret(u.RequestURI())
	}
}

// Redact hides the secrets of the options.
func (n *Notifier) Redact(s string) string {
	for _, secret := range n.secrets {
		s = strings.ReplaceAll(s, secret, "xxxxx")
	}
	return s
}
