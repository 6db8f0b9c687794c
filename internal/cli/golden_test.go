package cli_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/test/fixture"
	"github.com/shiplock/shiplock/internal/test/pgtest"
)

// goldenVersion is the PostgreSQL version of the reports in testdata. Where the messages of another version
// differ, testdata/pgN has the report for version N and those further from goldenVersion, up to the next pgN.
const goldenVersion = 15

// golden compares the report in stderr with testdata/NAME.golden, without the values that differ between
// runs. Messages that differ between versions of the server have their own files, because a mask would
// hide other differences.
func golden(t *testing.T, name, stderr string) {
	t.Helper()
	_, report, found := strings.Cut("\n"+stderr, "\nshiplock: ")
	require.True(t, found, "no report in %q", stderr)
	report = fixture.Mask("shiplock: " + report)
	major := pgtest.Major(t)
	path := versionGolden(major, name)
	if path == "" {
		path = name + ".golden"
	}
	if fixture.Updating() && major != goldenVersion {
		want, err := os.ReadFile(filepath.Join("testdata", path))
		if err == nil && unwrapped(string(want)) == unwrapped(report) {
			return // the messages of this version do not differ
		}
		path = filepath.Join(fmt.Sprint("pg", major), name+".golden")
	}
	fixture.Golden(t, path, report, unwrapped)
}

var rowStart = regexp.MustCompile(`(?m)^  \S+(?: \S+)* {2,}`)

// unwrapped joins the wrapped lines of a row: the position of a line break depends on the length of
// numbers and directory names. A caret, which is indented further, stays on its own line.
func unwrapped(report string) string {
	if width := len(rowStart.FindString(report)); width > 0 {
		report = regexp.MustCompile(fmt.Sprintf(`\n {%d}(\S)`, width)).ReplaceAllString(report, " $1")
	}
	return report
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
