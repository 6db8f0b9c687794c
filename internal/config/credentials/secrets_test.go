package credentials

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestSecrets_CommandLine_Redacted(t *testing.T) {
	s := SecretsFromEnv([]string{"PGPASSWORD=pa55 w'rd", "FLYWAY_PASSWORD=flies", "API_TOKEN=tok", "PATH=/usr/bin", "PASSWORD_FILE=/run/secrets/db", "HOME=/home"})
	for text, want := range map[string]string{
		"nothing to hide in /usr/bin":                   "nothing to hide in /usr/bin",
		"see /run/secrets/db":                           "see /run/secrets/db",
		"could not log in with pa55 w'rd or flies, tok": "could not log in with xxxxx or xxxxx, tok",
		"postgres://app:s3cr%40t@db:5432/shop failed":   "postgres://app:xxxxx@db:5432/shop failed",
		"postgres://app:s3c@r/t@db/shop":                "postgres://app:xxxxx@db/shop",
		"postgres://app@db:5432/shop":                   "postgres://app@db:5432/shop",
		"PGPASSWORD=hunter2 psql; x=1":                  "PGPASSWORD=xxxxx psql; x=1",
		`host=h password='a b' user=u`:                  `host=h password=xxxxx user=u`,
	} {
		assert.Equal(t, want, s.Redact(text))
	}
	for line, want := range map[string]string{
		"flyway|-password=a b|migrate":           "flyway|-password=xxxxx|migrate",
		"tool|--db-password|x y|up":              "tool|--db-password|xxxxx|up",
		"tool|--no-password|--up":                "tool|--no-password|--up",
		"sh|-c|SECRET_TOKEN=abc run --with more": "sh|-c|SECRET_TOKEN=xxxxx run --with more",
		"rails|db:migrate":                       "rails|db:migrate",
		"tool|--url|postgres://u:p@h/d":          "tool|--url|postgres://u:xxxxx@h/d",
	} {
		assert.Equal(t, want, strings.Join(s.RedactArgs(strings.Split(line, "|")), "|"))
	}
}
