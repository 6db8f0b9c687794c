package charttest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/test/program"
)

// Helm 3 and 4 render the same objects as the library, and their linters report no errors.
func TestTemplate_HelmCLI_MatchesLibrary(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"helm3", "helm4"} {
		helm := program.HackTool(t, name)
		for scenario, values := range scenarios(t) {
			t.Run(name+"/"+scenario, func(t *testing.T) {
				t.Parallel()
				r, err := Render(chartDir, Options{Values: readValues(t, values)})
				require.NoError(t, err)
				assertSameObjects(t, r, run(t, ".", helm, "template", "booking", chartDir, "-n", "shop", "--kube-version", KubeVersion, "-f", values))
				lint := run(t, ".", helm, "lint", "--strict", "--kube-version", KubeVersion, chartDir, "-f", values)
				assert.Contains(t, lint, "1 chart(s) linted, 0 chart(s) failed")
			})
		}
	}
}

func assertSameObjects(t *testing.T, r *Rendered, output string) {
	t.Helper()
	want, err := Normalize(r.Template())
	require.NoError(t, err)
	got, err := Normalize(output)
	require.NoError(t, err)
	assert.Equal(t, want, got)
}

// The sample is built like a user's chart: "helm dependency build" packages the chart into it, and "helm package" packages both. The lock
// file must match.
func TestTemplate_PackagedDependency_MatchesLibrary(t *testing.T) {
	t.Parallel()
	want, err := Render(sampleDir, Options{})
	require.NoError(t, err)
	for _, name := range []string{"helm3", "helm4"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			helm := program.HackTool(t, name)
			root := t.TempDir()
			for _, dir := range []string{chartDir, sampleDir} {
				to := filepath.Join(root, strings.TrimPrefix(dir, "../../../"))
				require.NoError(t, os.MkdirAll(to, 0o755))
				require.NoError(t, os.CopyFS(to, os.DirFS(dir)))
			}
			sample := filepath.Join(root, strings.TrimPrefix(sampleDir, "../../../"))
			require.NoError(t, os.RemoveAll(sample+"/charts"))
			run(t, sample, helm, "dependency", "build")
			lint := run(t, sample, helm, "lint", "--strict", "--kube-version", KubeVersion, ".")
			assert.Contains(t, lint, "1 chart(s) linted, 0 chart(s) failed")
			run(t, sample, helm, "package", ".")
			assertSameObjects(t, want, run(t, sample, helm, "template", "booking", "booking-0.1.0.tgz", "-n", "shop", "--kube-version", KubeVersion))
		})
	}
}
