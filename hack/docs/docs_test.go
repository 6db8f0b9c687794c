// Package docs tests the documentation: links, commands, flags, versions, and failure
// reports agree with the program.
package docs

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"helm.sh/helm/v3/pkg/strvals"
	batchv1 "k8s.io/api/batch/v1"
	"sigs.k8s.io/yaml"

	"github.com/shiplock/shiplock/internal/cli"
	"github.com/shiplock/shiplock/internal/test/charttest"
	"github.com/shiplock/shiplock/internal/test/fixture"
	"github.com/shiplock/shiplock/internal/test/pgtest"
)

const root = "../.."

func TestMain(m *testing.M) { pgtest.Main(m) }

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, path))
	require.NoError(t, err)
	return string(text)
}

// pages returns the Markdown files that git tracks.
func pages(t *testing.T) []string {
	t.Helper()
	cmd := exec.Command("git", "ls-files", "*.md")
	cmd.Dir = root
	out, err := cmd.Output()
	require.NoError(t, err)
	return strings.Fields(string(out))
}

var readmeReport = regexp.MustCompile("(?s)(<!-- report -->\n```text\n)(.*?)(```)")

// TestREADME_FailureReport_AsPrinted migrates the sample application to v3, whose last
// migration fails, and compares the failure report with the one in the README.
func TestREADME_FailureReport_AsPrinted(t *testing.T) {
	d := pgtest.New(t)
	d.Exec(t, "CREATE EXTENSION IF NOT EXISTS btree_gist")
	dir := t.TempDir()
	for _, from := range []string{"migrations", "hack/sample/migrations/v3"} {
		require.NoError(t, os.CopyFS(dir, os.DirFS(filepath.Join(root, from))))
	}
	var stderr bytes.Buffer
	code := cli.Program{Stdout: &bytes.Buffer{}, Stderr: &stderr}.Run(t.Context(), []string{"up", "--source", dir, "--database-url", d.URL()})
	require.Equal(t, 6, code, stderr.String())
	_, shown, found := strings.Cut(stderr.String(), "\nshiplock: ")
	require.True(t, found)
	shown = regexp.MustCompile(`\d+ of \d+ migrations completed`).ReplaceAllString("shiplock: "+shown, "0 of 1 migrations completed") // the sample application is at v2 before
	shown = regexp.MustCompile(`(\n  database +)\S.*`).ReplaceAllString(shown, "${1}booking@postgres:5432/booking")

	readme := read(t, "README.md")
	if fixture.Updating() {
		readme = readmeReport.ReplaceAllString(readme, "${1}"+strings.ReplaceAll(shown, "$", "$$")+"${3}")
		require.NoError(t, os.WriteFile(filepath.Join(root, "README.md"), []byte(readme), 0o600))
	}
	match := readmeReport.FindStringSubmatch(readme)
	require.NotNil(t, match)
	assert.Equal(t, shown, match[2], "run go test ./hack/docs -update")
}

// TestLinks_Targets_Exist follows the relative links of every page, and their anchors.
func TestLinks_Targets_Exist(t *testing.T) {
	for _, page := range pages(t) {
		for _, m := range regexp.MustCompile(`\]\(([^)#:\s]*)(?:#([^)\s]*))?\)`).FindAllStringSubmatch(read(t, page), -1) {
			target := filepath.Join(filepath.Dir(page), m[1])
			if m[1] == "" {
				target = page
			}
			_, err := os.Stat(filepath.Join(root, target))
			if assert.NoErrorf(t, err, "%s links to %s", page, m[1]) && m[2] != "" && strings.HasSuffix(target, ".md") {
				assert.Containsf(t, anchors(read(t, target)), m[2], "%s links to %s#%s", page, target, m[2])
			}
		}
	}
}

// anchors returns the anchors of a page's headings.
func anchors(page string) []string {
	var out []string
	for _, m := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(page, -1) {
		out = append(out, anchor(m[1]))
	}
	return out
}

func TestMakeTargets_Named_Exist(t *testing.T) {
	makefile := read(t, "Makefile")
	for _, page := range append(pages(t), ".ci/run", ".github/workflows/test.yaml", ".github/workflows/release.yaml") {
		for _, m := range regexp.MustCompile("(?m)(?:^|`|run: )make ([a-z]+)").FindAllStringSubmatch(read(t, page), -1) {
			assert.Containsf(t, makefile, "\n"+m[1]+": ##", "%s: make %s", page, m[1])
		}
	}
}

func TestCommands_Named_Exist(t *testing.T) {
	for _, page := range pages(t) {
		for _, m := range regexp.MustCompile("(?m)(?:^|`)migrator ([a-z]+)([^`\n]*)").FindAllStringSubmatch(read(t, page), -1) {
			var help bytes.Buffer
			require.Zerof(t, cli.Program{Stdout: &help, Stderr: &help}.Run(t.Context(), []string{m[1], "--help"}), "%s: migrator %s", page, m[1])
			flags, _, _ := strings.Cut(m[2], " -- ") // what follows is another program's
			for _, f := range regexp.MustCompile(`--[a-z-]+`).FindAllString(flags, -1) {
				assert.Containsf(t, help.String(), f+" ", "%s: migrator %s%s", page, m[1], m[2])
			}
		}
	}
}

// TestQuickStart_Values_Render renders the sample application's chart with the values
// of a page's quick start.
func TestQuickStart_Values_Render(t *testing.T) {
	blocks := regexp.MustCompile("(?s)```yaml\n# values.yaml\n(.*?)```")
	for _, page := range []string{"README.md", "chart/README.md"} {
		m := blocks.FindStringSubmatch(read(t, page))
		require.NotNil(t, m, page)
		var values map[string]any
		require.NoError(t, yaml.Unmarshal([]byte(m[1]), &values))
		rendered, err := charttest.Render(filepath.Join(root, "hack/sample/chart"), charttest.Options{Values: values})
		require.NoError(t, err)
		job, err := charttest.Find[*batchv1.Job](rendered, "booking-shiplock")
		require.NoError(t, err)
		assert.Equal(t, "registry.example.com/booking-migrations:v2", job.Spec.Template.Spec.Containers[0].Image)
	}
}

// TestQuickStart_SetFlags_Render renders the chart with the --set flags of a page's
// standalone installation.
func TestQuickStart_SetFlags_Render(t *testing.T) {
	for _, page := range []string{"README.md", "chart/README.md"} {
		_, command, found := strings.Cut(read(t, page), "helm upgrade --install booking-schema ./chart")
		require.True(t, found, page)
		command, _, _ = strings.Cut(command, "```")
		values := map[string]any{}
		for _, m := range regexp.MustCompile(`--set (\S+)`).FindAllStringSubmatch(command, -1) {
			require.NoError(t, strvals.ParseInto(m[1], values))
		}
		require.NotEmpty(t, values)
		_, err := charttest.Render(filepath.Join(root, "chart"), charttest.Options{Values: values})
		assert.NoError(t, err, page)
	}
}

func TestREADME_Versions_AsTested(t *testing.T) {
	gomod := read(t, "go.mod")
	readme := read(t, "README.md")
	for module, text := range map[string]string{
		"helm.sh/helm/v3":                      "Helm %s",
		"github.com/golang-migrate/migrate/v4": "its version %s",
	} {
		m := regexp.MustCompile(regexp.QuoteMeta(module) + ` v(\d+\.\d+)(\.\d+)?`).FindStringSubmatch(gomod)
		require.NotNil(t, m, module)
		assert.Contains(t, readme, fmt.Sprintf(text, m[1]))
	}
	m := regexp.MustCompile(`k8s\.io/kubernetes v(\d+\.\d+)`).FindStringSubmatch(read(t, "hack/node/kubernetes/go.mod"))
	require.NotNil(t, m)
	assert.Contains(t, readme, "Kubernetes "+m[1])
	m = regexp.MustCompile(`helm\.sh/helm/v4 v(\d+\.\d+)`).FindStringSubmatch(read(t, "hack/tools/helm4/go.mod"))
	require.NotNil(t, m)
	assert.Contains(t, readme, " and "+m[1])
}

// TestGitOps_Versions_AsTested checks the versions of the GitOps engines that the guide names.
func TestGitOps_Versions_AsTested(t *testing.T) {
	guide := read(t, "docs/guides/gitops.md")
	for text, tool := range map[string]struct{ file, module string }{
		"helm-controller %s on": {"hack/tools/helm-controller/go.mod", "github.com/fluxcd/helm-controller"},
		"(`gitops-engine` %s)":  {"hack/tools/argocd-sync/go.mod", "github.com/argoproj/argo-cd/gitops-engine/v3"},
	} {
		m := regexp.MustCompile(regexp.QuoteMeta(tool.module) + ` v([\d.]+)`).FindStringSubmatch(read(t, tool.file))
		require.NotNil(t, m, tool.module)
		assert.Contains(t, guide, fmt.Sprintf(text, m[1]))
	}
}

// TestContributing_Paths_Exist checks the files and directories that CONTRIBUTING.md names;
// NAME and PACKAGE stand for any.
func TestContributing_Paths_Exist(t *testing.T) {
	paths := 0
	for _, m := range regexp.MustCompile("`(?:\\./)?((?:cmd|chart|docs|hack|internal|migrations)(?:/[\\w.-]+)+)`").FindAllStringSubmatch(read(t, "CONTRIBUTING.md"), -1) {
		if strings.Contains(m[1], "NAME") || strings.Contains(m[1], "PACKAGE") {
			continue
		}
		paths++
		_, err := os.Stat(filepath.Join(root, m[1]))
		assert.NoError(t, err)
	}
	assert.Greater(t, paths, 25)
}
