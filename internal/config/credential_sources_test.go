package config

import (
	"context"
	"encoding/base64"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestDatabase_TwoPasswordSources_Refuses(t *testing.T) {
	clearPG(t)
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

func TestParseCommand_ShellQuoting_Split(t *testing.T) {
	c, err := parseCommand(`printf '%s' "it's" 'it'\''s' '' a\ b '$(HOME) | ;'`)
	require.NoError(t, err)
	assert.Equal(t, []string{"printf", "%s", "it's", "it's", "", "a b", "$(HOME) | ;"}, c.args)
}

func TestPasswordCommand(t *testing.T) {
	t.Parallel()
	run := func(script string) (string, error) {
		c, err := parseCommand("sh -c '" + strings.ReplaceAll(script, "'", `'\''`) + "'")
		require.NoError(t, err)
		c.limit = time.Minute
		if strings.Contains(script, "sleep") {
			c.limit = 3 * time.Second // a busy machine has to start the shell
		}
		l, err := c.login(t.Context())
		return l.password, err
	}
	for script, want := range map[string]string{
		"echo secret":                    "secret",
		`printf 'a b\r\n'`:               "a b",
		"printf ' x '":                   " x ",
		`printf %s "$PATH"`:              os.Getenv("PATH"),
		"echo noise >&2; echo p":         "p",
		`printf '%s' "$(printf 'ü@/:')"`: "ü@/:",
	} {
		got, err := run(script)
		require.NoError(t, err, script)
		assert.Equal(t, want, got, script)
	}
	for script, want := range map[string]string{
		"exit 3": "password command sh: failed with exit code 3",
		"echo marked; echo first >&2; echo 'no marked token: password=hunter2' >&2; echo >&2; exit 1": "failed with exit code 1: no xxxxx token: password=xxxxx",
		"kill -9 $$":                                "ended by signal 9",
		"true":                                      "printed nothing",
		"echo marked; echo more":                    "printed 2 lines; want only the password",
		"head -c 100000 /dev/zero | tr '\\0' x":     "printed more than 64 kB",
		`printf 'marked\0x'`:                        "NUL byte",
		"echo from stderr >&2; sleep 60":            "did not exit within 3s: from stderr",
		"sleep 60 & echo from a child >&2; wait":    "did not exit within 3s: from a child",
		"trap '' TERM; while :; do sleep 1; done":   "did not exit within 3s",
		"yes x | head -c 1000000 >&2; exit 1":       "failed with exit code 1: x",
		"printf 'no newline \\033[31m' >&2; exit 1": "failed with exit code 1: no newline",
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			_, err := run(script)
			var e *SecretError
			require.ErrorAs(t, err, &e)
			assert.Contains(t, e.Error(), want)
			assert.NotContains(t, e.Error(), "marked")
			assert.True(t, e.Command)
			assert.NotEmpty(t, e.Next)
		})
	}
}

func TestPasswordCommand_ContextEnds_Killed(t *testing.T) {
	c, err := parseCommand("sleep 60")
	require.NoError(t, err)
	c.limit = time.Minute
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err = c.login(ctx)
	assert.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestPasswordFile(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "password")
	for text, want := range map[string]string{"a b\n": "a b", "x\r\n": "x", "x": "x", "x \n": "x "} {
		require.NoError(t, os.WriteFile(file, []byte(text), 0o400))
		l, err := passwordFile{file}.login(t.Context())
		require.NoError(t, err)
		assert.Equal(t, want, l.password)
		require.NoError(t, os.Remove(file))
	}
	for text, want := range map[string]string{"": "contains nothing", "\n": "contains nothing", "marked\nmore\n": "contains 2 lines", "marked\n\n": "contains 2 lines"} {
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		_, err := passwordFile{file}.login(t.Context())
		require.ErrorContains(t, err, want)
		assert.ErrorContains(t, err, file)
		assert.NotContains(t, err.Error(), "marked")
	}
	pipe := filepath.Join(dir, "pipe")
	require.NoError(t, unix.Mkfifo(pipe, 0o600))
	_, err := passwordFile{pipe}.login(t.Context())
	require.ErrorContains(t, err, "contains nothing", "the pipe has no writer")
	var e *SecretError
	_, err = passwordFile{filepath.Join(dir, "gone")}.login(t.Context())
	require.ErrorAs(t, err, &e)
	assert.True(t, e.Absent)
	_, err = passwordFile{dir}.login(t.Context())
	require.ErrorAs(t, err, &e)
	assert.False(t, e.Absent)
	assert.Contains(t, e.Error(), "is a directory")
}

func TestURLFile_Changed_ReadAgain(t *testing.T) {
	clearPG(t)
	file := filepath.Join(t.TempDir(), "url")
	write := func(s string) { require.NoError(t, os.WriteFile(file, []byte(s), 0o600)) }
	write("postgres://u1:first-p%40ss@h:1/d\n")
	s := newSettings(func(s *Settings) { s.DatabaseURL, s.DatabaseURLFile = "", file })
	d, err := s.Database(env(nil))
	require.NoError(t, err)
	assert.Equal(t, "u1@h:1/d", d.String())
	write("postgres://u2:second-p@ss@h:1/d")
	l, err := d.logins.get(t.Context())
	require.NoError(t, err)
	assert.Equal(t, login{"u2", "second-p@ss"}, l)
	assert.Equal(t, "xxxxx xxxxx xxxxx", d.Redact("first-p@ss first-p%40ss second-p@ss"), "the earlier one is secret still")

	write("mysql://u:marked@h")
	_, err = d.logins.get(t.Context())
	require.ErrorContains(t, err, file)
	assert.NotContains(t, err.Error(), "marked")
	_, err = s.Database(env(nil))
	require.ErrorContains(t, err, "--database-url-file")
	assert.NotContains(t, err.Error(), "marked")
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
	var absent *SecretError
	require.ErrorAs(t, s.WaitForURLFile(t.Context(), nil), &absent)
	assert.True(t, absent.Absent)

	s.WaitForDB = time.Hour
	ctx, cancel := context.WithCancel(t.Context())
	assert.ErrorIs(t, s.WaitForURLFile(ctx, func(string) { cancel() }), context.Canceled)
}

func TestRedact_EncodedSecret_Redacted(t *testing.T) {
	clearPG(t)
	const password = `s3cret @/:?#% '"\<ü`
	raw := strings.ReplaceAll(url.QueryEscape(password), "+", "%20")
	lower := strings.ReplaceAll(raw, "%2F", "%2f")
	d, err := ParseDSN("postgres://u:" + lower + "@h/d")
	require.NoError(t, err)
	require.Equal(t, password, d.cfg.Password)
	for _, form := range []string{
		password, raw, lower, url.QueryEscape(password), url.PathEscape(password), url.UserPassword("u", password).String()[2:],
		`s3cret @/:?#% ''"\<ü`, `s3cret @/:?#% '\"\\<ü`, `s3cret @/:?#% '\"\\\u003cü`, `s3cret @/:?#% \'"\\<ü`,
		base64.StdEncoding.EncodeToString([]byte(password)), base64.RawURLEncoding.EncodeToString([]byte(password)), base64.StdEncoding.EncodeToString([]byte(password + "\n")),
	} {
		shown := d.Redact("<" + form + ">")
		assert.Contains(t, shown, "xxxxx", form)
		assert.NotContains(t, shown, "s3cret", form)
		assert.LessOrEqual(t, len(shown), len("<xxxxx====>"), form)
	}
}
