package dsn

import (
	"strings"

	"github.com/shiplock/shiplock/internal/config/credentials"
)

// SecretsFromArgs returns the passwords in a command line that has not been parsed yet: a
// usage error may quote the argument that contains one.
func SecretsFromArgs(args []string) credentials.Secrets {
	s := credentials.SecretsFromArgs(args)
	for _, arg := range args {
		if _, value, ok := strings.Cut(arg, "="); ok && strings.HasPrefix(arg, "-") {
			arg = value
		}
		if !isURL(arg) && !strings.Contains(arg, "password") {
			continue
		}
		if d, err := Parse(arg); err == nil {
			s.Add(d.logins)
		}
	}
	return s
}
