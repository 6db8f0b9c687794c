package dsn

import (
	"fmt"
	"os"
	"sync"

	"github.com/lib/pq"
)

// CheckVariables checks the libpq variables whose values come from Secrets.
func CheckVariables(getenv func(string) string) error {
	for _, name := range []string{"PGHOST", "PGPORT", "PGUSER", "PGDATABASE", "PGPASSWORD"} {
		value := getenv(name)
		if problem := malformed(value, name != "PGPASSWORD"); problem != "" {
			return fmt.Errorf("%s %s", name, problem)
		}
	}
	return nil
}

// libpqVariables maps the variables of libpq that lib/pq always rejects to the corresponding
// parameters.
var libpqVariables = map[string]string{
	"PGCHANNELBINDING": "channel_binding", "PGGSSENCMODE": "gssencmode", "PGGSSDELEGATION": "gssdelegation", "PGGSSLIB": "gsslib",
	"PGREQUIREAUTH": "require_auth", "PGREQUIREPEER": "requirepeer", "PGREQUIRESSL": "requiressl", "PGSSLCOMPRESSION": "sslcompression",
	"PGSSLCERTMODE": "sslcertmode", "PGSSLCRL": "sslcrl", "PGSSLCRLDIR": "sslcrldir",
}

var environment sync.Mutex

// newConfig is pq.NewConfig, except that it converts the libpqVariables to parameters unless
// s has them. It changes the environment of the process, because lib/pq reads no other.
func newConfig(s string) (pq.Config, error) {
	environment.Lock()
	defer environment.Unlock()
	given := map[string]string{}
	for name, parameter := range libpqVariables {
		if value, set := os.LookupEnv(name); set {
			_ = os.Unsetenv(name)
			defer func() { _ = os.Setenv(name, value) }()
			if value != "" {
				given[parameter] = value
			}
		}
	}
	cfg, err := pq.NewConfig(s)
	if err != nil {
		return cfg, err
	}
	for parameter, value := range given {
		if _, inURL := cfg.Runtime[parameter]; !inURL {
			if cfg.Runtime == nil {
				cfg.Runtime = map[string]string{}
			}
			cfg.Runtime[parameter] = value
		}
	}
	return cfg, nil
}
