package charttest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/test/fixture"
	"github.com/shiplock/shiplock/internal/test/program"
)

// versions creates an umbrella chart whose charts depend on these versions of the chart. The Job of each version has the version as argument.
func versions(t *testing.T, chartYAML string, values string, of map[string]string) string {
	t.Helper()
	dir := fixture.FileMap(t, map[string]string{"Chart.yaml": chartYAML, "values.yaml": values})
	for path, version := range of {
		to := filepath.Join(dir, path)
		require.NoError(t, os.MkdirAll(to, 0o755))
		require.NoError(t, os.CopyFS(to, os.DirFS(chartDir)))
		replaceIn(t, to+"/Chart.yaml", "\nversion: 0.1.0", "\nversion: "+version)
		replaceIn(t, to+"/templates/_job.tpl", "  - up\n", "  - up\n  - --of-"+strings.ReplaceAll(version, ".", "-")+"\n")
		if parent := filepath.Dir(filepath.Dir(to)); parent != dir {
			require.NoError(t, os.WriteFile(parent+"/Chart.yaml", []byte("{apiVersion: v2, name: "+filepath.Base(parent)+", version: 1.0.0}"), 0o644))
		}
	}
	return dir
}

func replaceIn(t *testing.T, path, from, to string) {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Contains(t, string(text), from)
	require.NoError(t, os.WriteFile(path, []byte(strings.ReplaceAll(string(text), from, to)), 0o644))
}

const umbrella = "{apiVersion: v2, name: town, version: 1.0.0}"

// Different versions of the chart in a release would share a single set of named templates.
func TestChartVersions_Differ_AreRefused(t *testing.T) {
	t.Parallel()
	const values = "database: {url: 'postgres://db/x'}, image: {repository: own, tag: v1}"
	inCharts := "hotel: {shiplock: {" + values + "}}\nharbour: {shiplock: {" + values + "}}\nshiplock: {" + values + "}\n"
	aliases := `
apiVersion: v2
name: town
version: 1.0.0
dependencies:
  - {name: shiplock, version: 0.1.0, alias: old}
  - {name: shiplock, version: 0.2.0, alias: new}
`
	for name, tc := range map[string]struct {
		dir     string
		refused bool
	}{
		"in two charts":             {versions(t, umbrella, inCharts, map[string]string{"charts/hotel/charts/shiplock": "0.1.0", "charts/harbour/charts/shiplock": "0.2.0"}), true},
		"above and below":           {versions(t, umbrella, inCharts, map[string]string{"charts/shiplock": "0.2.0", "charts/harbour/charts/shiplock": "0.1.0"}), true},
		"one patch apart":           {versions(t, umbrella, inCharts, map[string]string{"charts/shiplock": "0.1.0", "charts/harbour/charts/shiplock": "0.1.0-rc.1"}), true},
		"one disabled by a value":   {versions(t, umbrella, inCharts+"harbour: {shiplock: {enabled: false}}", map[string]string{"charts/hotel/charts/shiplock": "0.1.0", "charts/harbour/charts/shiplock": "0.2.0"}), true},
		"by two aliases":            {versions(t, aliases, "old: {"+values+"}\nnew: {"+values+"}", map[string]string{"charts/shiplock-1": "0.1.0", "charts/shiplock-2": "0.2.0"}), true},
		"one version, not released": {versions(t, umbrella, inCharts, map[string]string{"charts/hotel/charts/shiplock": "9.9.9", "charts/harbour/charts/shiplock": "9.9.9"}), false},
	} {
		for _, helm := range []string{"helm3", "helm4"} {
			t.Run(name+"/"+helm, func(t *testing.T) {
				t.Parallel()
				output, err := exec.Command(program.HackTool(t, helm), "template", "town", tc.dir, "--kube-version", KubeVersion).CombinedOutput()
				assert.Equal(t, tc.refused, err != nil, "%s", output)
				if tc.refused {
					assert.Contains(t, string(output), "this release contains different versions of chart shiplock")
				} else {
					assert.Equal(t, 2, strings.Count(string(output), "kind: Job"), "%s", output)
				}
			})
		}
	}
}
