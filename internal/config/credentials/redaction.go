package credentials

import (
	"regexp"
	"strings"
)

// redacted replaces a secret in a text.
const redacted = "xxxxx"

// secretWords matches the words in a name that indicate a secret.
const secretWords = `password|passwd|passphrase|secret|token|api_?-?key|private_?-?key|access_?-?key|credential`

// strength is how likely a text contains a secret by coincidence.
type strength int

const (
	// weak secrets are words or numbers that occur in any text. They are redacted only in
	// positions where a password is expected.
	weak strength = iota
	// short secrets are redacted unless they are part of a longer word.
	short
	// strong secrets are redacted everywhere.
	strong
)

// commonWords are words of Shiplock's messages, and of names in them, that are also used as
// passwords. Other secrets of five letters or more are redacted as words.
var commonWords = wordSet(`schema table tables column index server error state reason release service system session timeout admin owner query
	value values public master default version versions migrate migrated applied running failed database databases postgres postgresql migration
	migrations migrator password shiplock statement connection superuser schema_migrations production development staging transaction constraint
	commit secret local localhost`)

func wordSet(words string) map[string]bool {
	set := map[string]bool{}
	for _, w := range strings.Fields(words) {
		set[w] = true
	}
	return set
}

func strengthOf(secret string) strength {
	letters, digits := 0, 0
	for _, r := range secret {
		switch {
		case r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '_':
			letters++
		case r >= '0' && r <= '9':
			digits++
		}
	}
	switch n := len(secret); {
	case n <= 2, commonWords[strings.ToLower(secret)], letters == n && n < 5, digits == n && n < 6:
		return weak
	case n < 8 && letters+digits == n:
		return short
	}
	return strong
}

// Redact replaces secrets as far as they can be distinguished from other text.
func Redact(s string, secrets ...string) string {
	for _, secret := range secrets {
		if secret == "" || !strings.Contains(s, secret) {
			continue
		}
		switch strengthOf(secret) {
		case strong:
			s = strings.ReplaceAll(s, secret, redacted)
		case short:
			s = replaceWholeWords(s, secret)
		case weak:
			s = passwordContext(secret).ReplaceAllString(s, "${1}"+redacted)
		}
	}
	return s
}

// replaceWholeWords replaces secret where there is no letter or digit beside it.
func replaceWholeWords(s, secret string) string {
	var out strings.Builder
	for {
		i := strings.Index(s, secret)
		if i < 0 {
			return out.String() + s
		}
		end := i + len(secret)
		if i > 0 && wordByte(s[i-1]) || end < len(s) && wordByte(s[end]) {
			out.WriteString(s[:i+1])
			s = s[i+1:]
			continue
		}
		out.WriteString(s[:i] + redacted)
		s = s[end:]
	}
}

func wordByte(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= 0x80
}

// passwordContext returns an expression that matches secret in positions where a password
// is expected: in a URL, and after a word such as "password".
func passwordContext(secret string) *regexp.Regexp {
	return regexp.MustCompile(`((?i:://[^\s:/@'"]*:|[\w.-]*(?:` + secretWords + `|pwd|\bpass)[\w.-]*["']?(?:\s*[=:]\s*|\s+)E?["'\x60]?))` +
		regexp.QuoteMeta(secret) + `\b`)
}
