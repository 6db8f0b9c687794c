package catalog

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMigrations_EachRelease_Files(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..", "..", "..", "..")
	tests := map[string]struct {
		versions int
		ninth    string
	}{
		"v1":       {versions: 5},
		"v2":       {versions: 8},
		"v3":       {versions: 9, ninth: "this migration fails"},
		"v3-fixed": {versions: 9, ninth: "merged"},
	}
	for release, want := range tests {
		dir := t.TempDir()
		require.NoError(t, Migrations(root, release, dir))
		files, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Len(t, files, 2*want.versions, release)
		ninth, err := os.ReadFile(dir + "/0009_guest_accounts.up.sql")
		require.Equal(t, want.ninth == "", os.IsNotExist(err), release)
		require.True(t, strings.Contains(string(ninth), want.ninth), release)
	}
	require.Error(t, Migrations(root, "v0", t.TempDir()))
}
