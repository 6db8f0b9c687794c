package notify

import (
	"cmp"
	"encoding/base64"
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

// Secrets are texts that no message may contain.
type Secrets struct{ texts []string }

// Add makes Redact hide texts.
func (s *Secrets) Add(texts ...string) {
	for _, text := range texts {
		if len(text) >= minSecret && !slices.Contains(s.texts, text) {
			s.texts = append(s.texts, text)
		}
	}
	slices.SortStableFunc(s.texts, func(a, b string) int { return cmp.Compare(len(b), len(a)) }) // one may be part of another
}

// AddURL makes Redact hide a URL and its secret parts: the path of a Slack webhook
// alone allows sending messages to it.
func (s *Secrets) AddURL(text string, u *url.URL) {
	s.Add(text, u.String())
	if u.User != nil {
		password, _ := u.User.Password()
		s.Add(password, url.QueryEscape(password), url.PathEscape(password), u.User.String(), basicAuth(u.User))
	}
	for _, values := range u.Query() {
		for _, v := range values {
			s.Add(v, url.QueryEscape(v))
		}
	}
	for segment := range strings.SplitSeq(u.Path, "/") {
		if len(segment) >= minSegment && strings.ContainsFunc(segment, func(r rune) bool { return unicode.IsDigit(r) || unicode.IsUpper(r) }) {
			s.Add(segment, url.PathEscape(segment))
		}
	}
	if len(u.Path) >= minSegment {
		s.Add(u.RequestURI())
	}
}

// Redact hides the secrets in a text.
func (s *Secrets) Redact(text string) string {
	for _, secret := range s.texts {
		text = strings.ReplaceAll(text, secret, "xxxxx")
	}
	return text
}

// basicAuth returns the credentials of HTTP's Basic scheme for a name and a password.
func basicAuth(u *url.Userinfo) string {
	password, _ := u.Password()
	return base64.StdEncoding.EncodeToString([]byte(u.Username() + ":" + password))
}
