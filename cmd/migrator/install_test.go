package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestInstall_Program_Runs(t *testing.T) {
	dir := t.TempDir()
	output, err := exec.Command(binary, "install", dir).CombinedOutput()
	require.NoError(t, err, "%s", output)
	output, err = exec.Command(filepath.Join(dir, "migrator"), "version").CombinedOutput()
	require.NoError(t, err, "%s", output)
	assert.Contains(t, string(output), "migrator test ")
}

// TestInstall_SmallOrReadOnlyVolume_Reported mounts the volumes in a new mount namespace.
func TestInstall_SmallOrReadOnlyVolume_Reported(t *testing.T) {
	if os.Geteuid() != 0 || exec.Command("unshare", "-m", "mount", "-t", "tmpfs", "tmpfs", t.TempDir()).Run() != nil {
		t.Skip("requires root, and the privilege to mount in a new namespace")
	}
	for options, want := range map[string]string{
		"size=1m":    "increase the size of the volume",
		"size=1m,ro": "mount the volume writable here",
	} {
		dir := t.TempDir()
		output, err := exec.Command("unshare", "-m", "sh", "-c", `mount -t tmpfs -o "$1" tmpfs "$2" && { "$3" install "$2"; code=$?; ls -A "$2"; exit $code; }`,
			"sh", options, dir, binary).CombinedOutput()
		assert.Equal(t, 2, exitCode(t, err), "%s", output)
		assert.Contains(t, string(output), want)
		assert.NotContains(t, string(output), "\n.migrator", "no temporary file must be left")
	}
}
