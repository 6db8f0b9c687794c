package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/test/pgtest"
)

// goldenVersion is the PostgreSQL version of the reports in testdata. Where the messages of another version
// differ, testdata/pgN has the report for version N and those further from goldenVersion, up to the next pgN.
const goldenVersion = 15

// goldenPath returns the path of the golden file for the version of the server. Messages that differ
// between versions have their own files, because a mask would hide other differences.
func goldenPath(t *testing.T, name string) string {
	t.Helper()
	if path := versionGolden(pgtest.Major(t), name); path != "" {
		return path
	}
	return filepath.Join("testdata", name+".golden")
}

// updateGolden writes the golden file. If the messages of the server's version differ, it writes the
// file of that version.
func updateGolden(t *testing.T, name, report string) {
	t.Helper()
	path := goldenPath(t, name)
	if major := pgtest.Major(t); major != goldenVersion {
		if want, err := os.ReadFile(path); err == nil && masked(unwrapped(string(want))) == masked(unwrapped(report)) {
			return
		}
		path = filepath.Join("testdata", fmt.Sprint("pg", major), name+".golden")
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	}
	require.NoError(t, os.WriteFile(path, []byte(masked(report)), 0o600))
}

// versionGolden returns the path of the golden file of the nearest version that differs, or "".
func versionGolden(major int, name string) string {
	for major != goldenVersion {
		path := filepath.Join("testdata", fmt.Sprint("pg", major), name+".golden")
		if _, err := os.Stat(path); err == nil {
			return path
		}
		if major > goldenVersion {
			major--
		} else {
			major++
		}
	}
	return ""
}

// TestGoldenFiles_OfServerVersion_DifferFromBase finds golden files that no test uses.
func TestGoldenFiles_OfServerVersion_DifferFromBase(t *testing.T) {
	t.Parallel()
	found, err := filepath.Glob("testdata/pg*/*.golden")
	require.NoError(t, err)
	require.NotEmpty(t, found)
	for _, path := range found {
		own, err := os.ReadFile(path)
		require.NoError(t, err)
		base, err := os.ReadFile(filepath.Join("testdata", filepath.Base(path)))
		require.NoError(t, err, "%s is of no test", path)
		assert.NotEqual(t, string(base), string(own), "%s need not be there", path)
		var major int
		_, err = fmt.Sscanf(filepath.Base(filepath.Dir(path)), "pg%d", &major)
		require.NoError(t, err)
		name := filepath.Base(path)
		assert.Equal(t, path, versionGolden(major, name[:len(name)-len(".golden")]))
	}
}
