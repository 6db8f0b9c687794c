package config

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/config/credentials"
	"github.com/shiplock/shiplock/internal/test/pgtest"
)

func TestDatabase_TwoPasswordSources_Refuses(t *testing.T) {
	pgtest.UnsetVariables(t)
	file := filepath.Join(t.TempDir(), "url")
	require.NoError(t, os.WriteFile(file, []byte("postgres://u:marked@h/d\n"), 0o600))
	for _, c := range []struct {
		name   string
		change func(*Settings)
		env    map[string]string
		want   string
	}{
		{"file and variable", func(s *Settings) { s.PasswordFile = "f" }, map[string]string{"PGPASSWORD": "marked"}, "remove the variable PGPASSWORD, or --password-file"},
		{"file and URL", func(s *Settings) { s.PasswordFile, s.DatabaseURL = "f", "postgres://u:marked@h/d" }, nil, "remove the password in the database URL, or --password-file"},
		{"command and a libpq string", func(s *Settings) { s.PasswordCommand, s.DatabaseURL = "true", "host=h password = marked" }, nil, "remove the password in the database URL, or --password-command"},
		{"command and a parameter", func(s *Settings) { s.PasswordCommand, s.DatabaseURL = "true", "postgres://h/d?password=marked" }, nil, "remove the password"},
		{"command and file", func(s *Settings) { s.PasswordCommand, s.PasswordFile = "true", "f" }, nil, "by --password-command and by --password-file"},
		{"URL and its file", func(s *Settings) { s.DatabaseURLFile = file }, nil, "the database URL is set twice: remove --database-url-file"},
		{"URL in a file, and command", func(s *Settings) { s.DatabaseURL, s.DatabaseURLFile, s.PasswordCommand = "", file, "true" }, nil, "remove one"},
		{"no such command", func(s *Settings) { s.PasswordCommand = "no-such-command marked" }, nil, "no-such-command: executable file not found"},
		{"OAuth", func(s *Settings) { s.DatabaseURL += "?oauth_issuer=x" }, nil, "that the migrator does not support: use a password, or a token from --password-command"},
		{"a pipe", func(s *Settings) { s.PasswordCommand = "echo marked | head" }, nil, `"|" outside quotes, but it does not run in a shell`},
		{"an open quote", func(s *Settings) { s.PasswordCommand = "echo 'marked" }, nil, "unclosed"},
		{"blank command", func(s *Settings) { s.PasswordCommand = "  " }, nil, "is empty"},
		{"long role", func(s *Settings) { s.Role = strings.Repeat("ü", 32) }, nil, "at most 63 bytes"},
		{"role none", func(s *Settings) { s.Role = "none" }, nil, "PostgreSQL reserves"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSettings(c.change)
			_, err := s.Database(env(c.env))
			var usage *UsageError
			require.ErrorAs(t, err, &usage)
			assert.Contains(t, err.Error(), c.want)
			assert.NotContains(t, err.Error(), "marked")
		})
	}
}

func TestDatabase_URLFile_ReadOrRefused(t *testing.T) {
	pgtest.UnsetVariables(t)
	file := filepath.Join(t.TempDir(), "url")
	write := func(s string) { require.NoError(t, os.WriteFile(file, []byte(s), 0o600)) }
	write("postgres://u1:first-p%40ss@h:1/d\n")
	s := newSettings(func(s *Settings) { s.DatabaseURL, s.DatabaseURLFile = "", file })
	d, err := s.Database(env(nil))
	require.NoError(t, err)
	assert.Equal(t, "u1@h:1/d", d.String())
	assert.Equal(t, "xxxxx", d.Redact("first-p@ss"))

	write("mysql://u:marked@h")
	_, err = s.Database(env(nil))
	require.ErrorContains(t, err, "--database-url-file")
	assert.NotContains(t, err.Error(), "marked")
}

func TestDatabase_MalformedSecrets_ErrorWithoutValue(t *testing.T) {
	pgtest.UnsetVariables(t)
	const url = "postgres://app:hunter22@db:5432/shop"
	for value, want := range map[string]string{
		url + "\n":                        "ends with a line break",
		url + "\r\n":                      "ends with a line break",
		"postgres://app:hunter22\n@db/x":  "contains a line break",
		`"` + url + `"`:                   "is in quotes",
		"'" + url + "'":                   "is in quotes",
		" " + url:                         "begins or ends with a blank",
		url + "\t":                        "begins or ends with a blank",
		"${DATABASE_URL}":                 "contains a variable",
		"$(DATABASE_URL)":                 "contains a variable",
		"{{ .Values.url }}":               "contains a variable",
		"postgres://app:${PASSWORD}@db/x": "contains a variable",
		"postgres://$(USER):hunter22@db":  "contains a variable",
		"postgres://app@${HOST:-db}/shop": "contains a variable",
	} {
		s := newSettings(func(s *Settings) { s.DatabaseURL = value })
		_, err := s.Database(env(nil))
		var usage *UsageError
		require.ErrorAs(t, err, &usage, "%q", value)
		assert.Contains(t, err.Error(), want, "%q", value)
		assert.NotContains(t, err.Error(), "hunter22")
		assert.NotContains(t, err.Error(), "DATABASE_URL}")
	}
	for name, value := range map[string]string{"PGHOST": "db\n", "PGPASSWORD": "hunter22\n", "PGUSER": `"app"`, "PGDATABASE": "$(NAME)", "PGPORT": " 5432"} {
		s := newSettings(func(*Settings) {})
		_, err := s.Database(env(map[string]string{name: value}))
		require.Error(t, err, name)
		assert.Contains(t, err.Error(), name+" ")
		assert.NotContains(t, err.Error(), "hunter22")
	}
	s := newSettings(func(*Settings) {})
	_, err := s.Database(env(map[string]string{"PGPASSWORD": `"with ${quotes} and blanks" `}))
	assert.NoError(t, err, "a password may have them")
}

func TestWaitForURLFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "url")
	s := newSettings(func(s *Settings) { s.DatabaseURLFile, s.WaitForDB = file, time.Minute })
	reports := 0
	err := s.WaitForURLFile(t.Context(), func(reason string) {
		reports++
		assert.Contains(t, reason, "does not exist")
		require.NoError(t, os.WriteFile(file, []byte("postgres://h"), 0o600))
	})
	require.NoError(t, err)
	assert.Equal(t, 1, reports)

	s.DatabaseURLFile, s.WaitForDB = "/nowhere/url", 0
	var absent *credentials.Error
	require.ErrorAs(t, s.WaitForURLFile(t.Context(), nil), &absent)
	assert.True(t, absent.Absent)

	s.WaitForDB = time.Hour
	ctx, cancel := context.WithCancel(t.Context())
	assert.ErrorIs(t, s.WaitForURLFile(ctx, func(string) { cancel() }), context.Canceled)
}
