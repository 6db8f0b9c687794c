package console_test

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/cli/console"
	"github.com/shiplock/shiplock/internal/test/terminal"
)

// newConsole returns a configured console for a process with these environment variables.
func newConsole(stdout, stderr io.Writer, o console.Options, env map[string]string) *console.Console {
	c := console.New(stdout, stderr, func(name string) string { return env[name] }, func(s string) string { return s })
	c.Configure(o, "", false)
	return c
}

func TestConfigure_ProgressAuto_EnvironmentDecides(t *testing.T) {
	t.Parallel()
	pty := terminal.New(t, 80, 24)
	for name, c := range map[string]struct {
		ci, term string
		format   console.LogFormat
		want     bool
	}{
		"terminal": {term: "xterm-256color", format: console.LogText, want: true},
		"CI=false": {ci: "false", term: "xterm", format: console.LogText, want: true},
		"CI":       {ci: "true", term: "xterm", format: console.LogText},
		"dumb":     {term: "dumb", format: console.LogText},
		"no TERM":  {format: console.LogText},
		"JSON":     {term: "xterm", format: console.LogJSON},
	} {
		got := newConsole(pty.Device, pty.Device, console.Options{Progress: console.ProgressAuto, LogFormat: c.format}, map[string]string{"CI": c.ci, "TERM": c.term})
		assert.Equal(t, c.want, got.Stderr() != io.Writer(pty.Device), name)
	}
}

// TestConfigure_ProgressBar_TerminalReplaced also checks that outputs other than the terminal
// are not replaced.
func TestConfigure_ProgressBar_TerminalReplaced(t *testing.T) {
	t.Parallel()
	pty := terminal.New(t, 80, 24)
	file, err := os.Create(filepath.Join(t.TempDir(), "out"))
	require.NoError(t, err)
	defer file.Close()
	var buffer bytes.Buffer
	for _, c := range []struct {
		stdout, stderr  io.Writer
		taken, together bool
	}{
		{pty.Device, pty.Device, true, true},
		{file, pty.Device, true, false},
		{&buffer, pty.Device, true, false},
		{pty.Device, file, false, false},
		{pty.Device, &buffer, false, false},
	} {
		got := newConsole(c.stdout, c.stderr, console.Options{Progress: console.ProgressBar}, nil)
		assert.Equal(t, c.taken, got.Stderr() != c.stderr)
		assert.Equal(t, c.together, got.Stdout() != c.stdout)
	}
}

func TestLog_Duration_UnitInJSON(t *testing.T) {
	t.Parallel()
	for format, want := range map[console.LogFormat]string{console.LogText: "waited=1.5s", console.LogJSON: `"waited_seconds":1.5`} {
		var out bytes.Buffer
		newConsole(&out, &out, console.Options{LogFormat: format}, nil).Log().Info("waiting", "waited", 1500*time.Millisecond)
		assert.Contains(t, out.String(), want)
	}
}
