package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/test/fixture"
	"github.com/shiplock/shiplock/internal/test/pgtest"
)

// goldenVersion is the PostgreSQL version of the reports in testdata. Where the messages of another version
// differ, testdata/pgN has the report for version N and those further from goldenVersion, up to the next pgN.
const goldenVersion = 15

// goldenPath returns the path of the report's golden file, relative to testdata. Messages that differ
// between versions of the server have their own files, because a mask would hide other differences.
// With -update it is a file of the server's version, unless the report is already that of another one.
func goldenPath(t *testing.T, name, report string) string {
	t.Helper()
	major := pgtest.Major(t)
	path := versionGolden(major, name)
	if path == "" {
		path = name + ".golden"
	}
	if fixture.Updating() && major != goldenVersion {
		want, err := os.ReadFile(filepath.Join("testdata", path))
		if err != nil || unwrapped(string(want)) != unwrapped(fixture.Mask(report)) {
			return filepath.Join(fmt.Sprint("pg", major), name+".golden")
		}
	}
	return path
}

// versionGolden returns the path, relative to testdata, of the golden file of the nearest version that
// differs, or "".
func versionGolden(major int, name string) string {
	for major != goldenVersion {
		path := filepath.Join(fmt.Sprint("pg", major), name+".golden")
		if _, err := os.Stat(filepath.Join("testdata", path)); err == nil {
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
		assert.Equal(t, path, filepath.Join("testdata", versionGolden(major, name[:len(name)-len(".golden")])))
	}
}
