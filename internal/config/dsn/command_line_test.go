package dsn

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/shiplock/shiplock/internal/test/pgtest"
)

func TestSecretsFromArgs(t *testing.T) {
	pgtest.UnsetVariables(t)
	for arg, shown := range map[string]string{
		"postgres://u:p%40ss@h/d":                 "p@ss p%40ss",
		"--database-url=postgres://u:p@ss@h/d":    "p@ss p%40ss",
		`host=h user=u password='it\'s a secret'`: "it's a secret",
		"--webhook-token=abcdef":                  "abcdef",
		"mysql://u:hunter2@h/d":                   "hunter2",
	} {
		redacted := SecretsFromArgs([]string{"up", arg}).RedactKnown(shown)
		assert.Empty(t, strings.Trim(redacted, "x "), "%s: %s", arg, redacted)
	}
	assert.Equal(t, "postgres://user:password@host", SecretsFromArgs([]string{"up", "--source", "x"}).RedactKnown("postgres://user:password@host"))
}
