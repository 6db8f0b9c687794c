package cli

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/test/terminal"
)

func TestProgress_EachMode_Accepted(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t, map[string]string{"1_a.up.sql": "SELECT 1", "1_a.down.sql": ""})
	out := w.mustExit(2, "up", "--progress", "loud")
	assert.Contains(t, out.err, `--progress is "loud"; want auto, bar, log or none`)
	out = w.mustExit(0, "up", "--progress", "bar")
	assert.Contains(t, out.err, "requires a terminal", "must not fail")
	for _, choice := range []string{"auto", "log", "none"} {
		assert.NotContains(t, w.mustExit(0, "up", "--progress", choice).err, "level=WARN")
	}
}

func TestSupportsBar_Environment_Decides(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		ci, term, format string
		want             bool
	}{
		"terminal": {term: "xterm-256color", format: "text", want: true},
		"CI=false": {ci: "false", term: "xterm", format: "text", want: true},
		"CI":       {ci: "true", term: "xterm", format: "text"},
		"dumb":     {term: "dumb", format: "text"},
		"no TERM":  {format: "text"},
		"JSON":     {term: "xterm", format: "json"},
	} {
		env := map[string]string{"CI": c.ci, "TERM": c.term}
		assert.Equal(t, c.want, supportsBar(func(v string) string { return env[v] }, c.format), name)
	}
}

// TestOpenTerminal_Outputs_Replaced also checks that outputs other than the terminal are not replaced.
func TestOpenTerminal_Outputs_Replaced(t *testing.T) {
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
		a := &app{stdout: c.stdout, stderr: c.stderr}
		a.settings.Progress = "bar"
		require.NoError(t, a.openTerminal())
		require.NoError(t, a.openTerminal(), "a second call must change nothing")
		assert.Equal(t, c.taken, a.terminal != nil)
		assert.Equal(t, c.taken, a.stderr != c.stderr)
		assert.Equal(t, c.together, a.stdout != c.stdout)
	}
}
