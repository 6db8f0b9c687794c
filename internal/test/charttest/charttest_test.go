package charttest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

const (
	chartDir  = "../../../chart"
	sampleDir = "../../../hack/sample/chart"
)

// withURL is the minimal set of values: a database, and an image with migrations.
const withURL = "database: {url: 'postgres://booking@db/booking'}\nimage: " + ownImage + "\n"

func parse(t *testing.T, text string) map[string]any {
	t.Helper()
	var v map[string]any
	require.NoError(t, yaml.Unmarshal([]byte(text), &v), text)
	return v
}

func toYAML(t *testing.T, v map[string]any) string {
	t.Helper()
	text, err := yaml.Marshal(v)
	require.NoError(t, err)
	return string(text)
}

func readValues(t *testing.T, path string) map[string]any {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	return parse(t, string(text))
}

// ownImage is the default value of "image" in tests: an image with migrations.
const ownImage = "{repository: shop/migrations, tag: v1}"

// render renders the chart as a standalone release.
func render(t *testing.T, values string) *Rendered {
	t.Helper()
	r, err := Render(chartDir, Options{Values: merge(parse(t, "image: "+ownImage), parse(t, values))})
	require.NoError(t, err)
	return r
}

func job(t *testing.T, r *Rendered, name string) *batchv1.Job {
	t.Helper()
	j, err := Find[*batchv1.Job](r, name)
	require.NoError(t, err)
	return j
}

// migrator returns the Job's only container.
func migrator(t *testing.T, j *batchv1.Job) corev1.Container {
	t.Helper()
	require.Len(t, j.Spec.Template.Spec.Containers, 1)
	return j.Spec.Template.Spec.Containers[0]
}

// scenarios maps the names of scenarios to their values files: those in chart/ci, which internal/test/e2e also installs, and those in testdata,
// which are only rendered.
func scenarios(t *testing.T) map[string]string {
	t.Helper()
	files := map[string]string{}
	for _, dir := range []string{chartDir + "/ci", "testdata"} {
		paths, err := filepath.Glob(dir + "/*-values.yaml")
		require.NoError(t, err)
		require.NotEmpty(t, paths, dir)
		for _, p := range paths {
			files[strings.TrimSuffix(filepath.Base(p), "-values.yaml")] = p
		}
	}
	return files
}

func run(t *testing.T, dir, command string, args ...string) string {
	t.Helper()
	cmd := exec.Command(command, args...)
	cmd.Dir = dir
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, "%s %s\n%s", command, strings.Join(args, " "), &stderr)
	return string(out)
}
