package credentials

import (
	"regexp"
	"slices"
	"strings"
)

// Secrets are the secrets to redact in the command line and the output of an external tool,
// which may contain anything.
type Secrets struct{ values []string }

// minSecret is the minimum length of a secret: redacting a shorter value would make any
// text unreadable.
const minSecret = 4

var (
	secretName = regexp.MustCompile(`(?i)` + secretWords)
	// notSecret matches names of values that only point to a secret.
	notSecret    = regexp.MustCompile(`(?i)(file|path|dir|name|id)$`)
	secretOption = regexp.MustCompile(`(?i)^--?[\w.-]*(?:` + secretWords + `)[\w.-]*$`)
	secretAssign = regexp.MustCompile(`(?i)([\w.-]*(?:` + secretWords + `)[\w.-]*\s*=\s*)('[^']*'|"[^"]*"|[^\s;&'"]+)`)
	secretInArg  = regexp.MustCompile(`(?is)^(--?[\w.-]*(?:` + secretWords + `)[\w.-]*=).+$`)
	secretInURL  = regexp.MustCompile(`([A-Za-z][A-Za-z0-9+.-]*://[^\s:/@'"]*:)[^\s'"]+@`)
)

// SecretsFromEnv returns the values of the variables whose names indicate a secret.
func SecretsFromEnv(environ []string) Secrets {
	var s Secrets
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		if len(value) >= minSecret && secretName.MatchString(name) && !notSecret.MatchString(name) {
			s.values = append(s.values, value)
		}
	}
	s.sort()
	return s
}

// Redact replaces the secrets in a text: the known values, the passwords in URLs, and values
// assigned to names that indicate a secret.
func (s Secrets) Redact(text string) string {
	text = secretInURL.ReplaceAllString(Redact(text, s.values...), "${1}xxxxx@")
	return secretAssign.ReplaceAllString(text, "${1}xxxxx")
}

// RedactArgs is Redact for a command line. It recognizes "--password=x" and "--password x".
func (s Secrets) RedactArgs(args []string) []string {
	out := make([]string, len(args))
	for i, arg := range args {
		switch {
		case i > 0 && secretOption.MatchString(args[i-1]) && !strings.HasPrefix(arg, "-"):
			out[i] = "xxxxx"
		case secretInArg.MatchString(arg):
			out[i] = secretInArg.ReplaceAllString(arg, "${1}xxxxx")
		default:
			out[i] = s.Redact(arg)
		}
	}
	return out
}

var (
	passwordInURL = regexp.MustCompile(`[A-Za-z][A-Za-z0-9+.-]*://[^\s:/@]*:([^\s]+)@`)
	valueAssigned = regexp.MustCompile(`(?i)[\w.-]*(?:` + secretWords + `)[\w.-]*\s*=\s*(.+)`)
)

// SecretsFromArgs returns the secrets in a command line that has not been parsed yet: the
// passwords in URLs, and values assigned to names that indicate a secret.
func SecretsFromArgs(args []string) Secrets {
	var s Secrets
	for _, arg := range args {
		for _, pattern := range []*regexp.Regexp{passwordInURL, valueAssigned} {
			if m := pattern.FindStringSubmatch(arg); m != nil && len(m[1]) >= minSecret {
				s.values = append(s.values, encodings(m[1])...)
			}
		}
	}
	s.sort()
	return s
}

// Add adds the secrets of l, in all encodings.
func (s *Secrets) Add(l *Logins) {
	s.values = append(s.values, l.secretForms()...)
	s.sort()
}

// sort sorts the values by length, because one may be part of another.
func (s *Secrets) sort() {
	slices.SortFunc(s.values, func(a, b string) int { return len(b) - len(a) })
}

// RedactKnown replaces only the known values.
func (s Secrets) RedactKnown(text string) string { return Redact(text, s.values...) }
