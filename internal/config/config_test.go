package config

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/test/pgtest"
)

func newSettings(change func(*Settings)) Settings {
	s := Settings{Source: DefaultSource, Table: DefaultTable, DatabaseURL: "postgres://u@h/d"}
	change(&s)
	return s
}

func env(vars map[string]string) func(string) string {
	return func(name string) string { return vars[name] }
}

func TestDatabase_InvalidSettings_Refuses(t *testing.T) {
	pgtest.UnsetVariables(t)
	for _, c := range []struct {
		name   string
		change func(*Settings)
		env    map[string]string
		want   string
	}{
		{"nothing", func(s *Settings) { s.DatabaseURL = "" }, nil, "no database given: set DATABASE_URL"},
		{"password file", func(*Settings) {}, map[string]string{"PGPASSFILE": "/nowhere/pgpass"}, "/nowhere/pgpass"},
		{"password folder", func(*Settings) {}, map[string]string{"PGPASSFILE": "/"}, "is a directory"},
		{"no table", func(s *Settings) { s.Table = "" }, nil, "--table"},
		{"no name", func(s *Settings) { s.Table = "schema." }, nil, "--table"},
		{"no schema", func(s *Settings) { s.Table = ".table" }, nil, "--table"},
		{"long name", func(s *Settings) { s.Table = string(make([]byte, 64)) }, nil, "at most 50 bytes"},
		{"source", func(s *Settings) { s.Source = "" }, nil, "--source"},
		{"missing key", func(*Settings) {}, map[string]string{"SHIPLOCK_REQUIRED_ENV": "PGUSER=db/user PGPASSWORD=db/pass", "PGUSER": "x"},
			`key "pass" of Secret "db" (for PGPASSWORD)`},
		{"garbled requirement", func(*Settings) {}, map[string]string{"SHIPLOCK_REQUIRED_ENV": "PGUSER"}, "want VARIABLE=secret/key"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSettings(c.change)
			_, err := s.Database(env(c.env))
			var usage *UsageError
			require.ErrorAs(t, err, &usage)
			assert.Contains(t, err.Error(), c.want)
		})
	}
}

func TestDatabase_PasswordFile_Accepted(t *testing.T) {
	pgtest.UnsetVariables(t)
	file := filepath.Join(t.TempDir(), "pgpass")
	require.NoError(t, os.WriteFile(file, []byte("*:*:*:*:secret"), 0o600))
	s := newSettings(func(*Settings) {})
	_, err := s.Database(env(map[string]string{"PGPASSFILE": file}))
	require.NoError(t, err)
}

func TestDatabase_SourceURL_SameAsGolangMigrate(t *testing.T) {
	pgtest.UnsetVariables(t)
	for in, want := range map[string]string{
		"file:///migrations": "/migrations", "file://migrations": "migrations", "file://./db/migrations": "db/migrations",
		"file://../up": "../up", "file://": ".", "/plain/": "/plain", "db": "db", "file:///with%20blank": "/with blank",
	} {
		s := newSettings(func(s *Settings) { s.Source = in })
		_, err := s.Database(env(nil))
		require.NoError(t, err, in)
		assert.Equal(t, want, s.Source, in)
	}
	for _, in := range []string{"github://owner/repo", "s3://bucket/x", "file:///a?b=c", "file://%zz"} {
		s := newSettings(func(s *Settings) { s.Source = in })
		_, err := s.Database(env(nil))
		var usage *UsageError
		assert.True(t, errors.As(err, &usage), in)
	}
}
