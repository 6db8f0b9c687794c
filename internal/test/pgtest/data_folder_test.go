package pgtest

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCreateInMemory_KilledTests_FoldersAreRemoved(t *testing.T) {
	parent := t.TempDir()
	used, remove, err := createInMemory(parent)
	require.NoError(t, err)

	killed := filepath.Join(parent, "shiplock-pgtest-1")
	require.NoError(t, os.MkdirAll(filepath.Join(killed, "data"), 0o700))
	require.NoError(t, os.WriteFile(killed+".lock", nil, 0o600))
	other := filepath.Join(parent, "other-program")
	require.NoError(t, os.Mkdir(other, 0o700))

	another, removeAnother, err := createInMemory(parent)
	require.NoError(t, err)
	assert.NoDirExists(t, killed)
	assert.NoFileExists(t, killed+".lock")
	for _, dir := range []string{used, another, other} {
		assert.DirExists(t, dir)
	}

	require.NoError(t, remove())
	require.NoError(t, removeAnother())
	left, err := os.ReadDir(parent)
	require.NoError(t, err)
	assert.Len(t, left, 1)
}

func TestHasSpace_Disk_False(t *testing.T) {
	assert.False(t, hasSpace(filepath.Join(memory, "none")))
	assert.False(t, hasSpace("/proc"))
}
