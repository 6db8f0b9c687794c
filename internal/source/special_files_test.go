package source

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// TestOpen_SpecialFiles_Refuses checks that special files are refused before they are read.
func TestOpen_SpecialFiles_Refuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		file string
		make func(path string) error
		want string
	}{
		"a link to nothing":      {"2_x.up.sql", func(p string) error { return os.Symlink("nowhere", p) }, "points to a file that does not exist"},
		"a link to itself":       {"2_x.up.sql", func(p string) error { return os.Symlink("2_x.up.sql", p) }, "cannot follow the link"},
		"a link to a device":     {"2_x.down.sql", func(p string) error { return os.Symlink("/dev/zero", p) }, "this is a device"},
		"a link to a folder":     {"2_x.up.sql", func(p string) error { return os.Symlink(".", p) }, "this is a directory"},
		"a named pipe":           {"2_x.up.sql", func(p string) error { return unix.Mkfifo(p, 0o600) }, "this is a named pipe"},
		"a folder":               {"2_x.up.sql", func(p string) error { return os.Mkdir(p, 0o700) }, "this is a directory"},
		"a blank at the end":     {"5_x_down.sql ", touch, "would never run"},
		"another blank":          {"5_x.down.sql ", touch, "would never run"},
		"no extension":           {"19_x.up", touch, "would never run"},
		"no extension, no point": {"19_x_down", touch, "would never run"},
		"a name not in UTF-8":    {"2_caf\xe9.up.sql", touch, "not UTF-8"},
		"migrations in a folder": {"2026", func(p string) error { return makeWith(p, "2_x.up.sql") }, "this directory contains migrations"},
		"a folder further down":  {"2026", func(p string) error { return makeWith(p, "01/2_x.up.sql") }, "this directory contains migrations"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			require.NoError(t, touch(filepath.Join(dir, "1_a.up.sql")))
			require.NoError(t, c.make(filepath.Join(dir, c.file)))
			_, err := Open(dir, FailUnrecognized)
			var wrong *NameError
			require.ErrorAs(t, err, &wrong)
			assert.Equal(t, filepath.Join(dir, c.file), wrong.Path)
			assert.Contains(t, wrong.Problem, c.want)
		})
	}
}

func makeWith(folder, file string) error {
	path := filepath.Join(folder, file)
	return errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), touch(path))
}

func touch(path string) error { return os.WriteFile(path, []byte("SELECT 1;\n"), 0o600) }

// TestOpen_SymbolicLink_Accepted covers links as in a ConfigMap volume.
func TestOpen_SymbolicLink_Accepted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "..data"), 0o700))
	require.NoError(t, touch(filepath.Join(dir, "..data", "1_a.up.sql")))
	require.NoError(t, os.Symlink("..data/1_a.up.sql", filepath.Join(dir, "1_a.up.sql")))
	c, err := Open(dir, FailUnrecognized)
	require.NoError(t, err)
	assert.Len(t, c.All(), 1)
}
