package cli_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestInstall_Directory_ProgramCopied(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for range 2 { // a restarted init container replaces its own file
		out := call(t.Context(), "install", dir)
		require.Zero(t, out.code, out.err)
		assert.Equal(t, filepath.Join(dir, "migrator")+"\n", out.stdout)
		self, err := os.Executable()
		require.NoError(t, err)
		want, err := os.ReadFile(self)
		require.NoError(t, err)
		got, err := os.ReadFile(filepath.Join(dir, "migrator"))
		require.NoError(t, err)
		assert.True(t, string(want) == string(got), "the copy is the program")
		info, err := os.Stat(filepath.Join(dir, "migrator"))
		require.NoError(t, err)
		assert.Equal(t, os.FileMode(0o755), info.Mode())
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		assert.Len(t, entries, 1, "nothing else is left")
	}
}

func TestInstall_InvalidTarget_Reported(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	busy := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(busy, "migrator", "x"), 0o700))
	for dir, want := range map[string]string{
		filepath.Join(busy, "nowhere"): "does not exist; create it, or mount a volume there",
		file:                           "is a file; want a directory",
		"/proc":                        "install: ",
		busy:                           "check the directory and its contents",
	} {
		out := call(t.Context(), "install", dir)
		assert.Equal(t, 2, out.code, out.err)
		assert.Contains(t, out.err, want)
	}
	entries, err := os.ReadDir(busy)
	require.NoError(t, err)
	assert.Len(t, entries, 1, "no temporary file must be left")
}
