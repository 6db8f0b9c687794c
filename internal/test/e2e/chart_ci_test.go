package e2e

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/hack/ct/environment"
	"github.com/shiplock/shiplock/internal/test/e2e/cluster"
	"github.com/shiplock/shiplock/internal/test/e2e/kube"
	"github.com/shiplock/shiplock/internal/test/e2e/sample"
)

// expectedVersions has the expected row of the version table for each file of chart/ci: the version, and whether it is dirty. The
// database has the file's name.
var expectedVersions = map[string]string{
	"argocd":                "5|f",
	"disabled":              "",
	"everything":            "5|f",
	"events":                "5|f",
	"existing-configmap":    "5|f",
	"existing-secret-parts": "5|f",
	"existing-secret-url":   "5|f",
	"image-volume":          "8|f",
	"job":                   "5|f",
	"notify":                "5|f",
	"own-environment":       "5|f",
	"part-of-release":       "5|f",
	"parts":                 "5|f",
	"password-file":         "5|f",
	"rollback":              "5|f",
	"url":                   "5|f",
}

// TestChartCI_EachValuesFile_Installs installs and uninstalls each file of chart/ci in a common environment, as chart-testing does in hack/ct.sh.
func TestChartCI_EachValuesFile_Installs(t *testing.T) {
	if testing.Short() {
		t.Skip("a cluster takes longer than -short allows")
	}
	t.Parallel()
	client := prepareCI(t)
	files, err := filepath.Glob(filepath.Join(suite.charts.Shiplock, "ci", "*-values.yaml"))
	require.NoError(t, err)
	require.Len(t, files, len(expectedVersions), "each file of chart/ci has a line in this test, and a database in hack/ct/environment")
	for _, file := range files {
		scenario := strings.TrimSuffix(filepath.Base(file), "-values.yaml")
		t.Run(scenario, func(t *testing.T) {
			t.Parallel()
			require.Contains(t, expectedVersions, scenario)
			ciRelease{t: t, client: client, scenario: scenario}.run(file)
		})
	}
}

// prepareCI creates the environment. It is deleted after the test and its subtests, unless one failed.
func prepareCI(t *testing.T) *kube.Client {
	ctx, cancel := context.WithTimeout(t.Context(), waitTimeout)
	defer cancel()
	c, err := cluster.Ensure(ctx, cluster.Options{Name: *clusterName})
	require.NoError(t, err)
	root, err := sample.Root(ctx)
	require.NoError(t, err)
	require.NoError(t, environment.LoadMigrator(ctx, c, root))
	client, err := kube.New(suite.kubeconfig, "chart-ci-"+strings.ToLower(rand.Text()[:5]))
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), waitTimeout)
		defer cancel()
		switch {
		case t.Failed():
			var why bytes.Buffer
			client.Diagnose(ctx, &why)
			t.Logf("namespace %s is kept\n%s", client.Namespace, why.String())
		case !*keep:
			assert.NoError(t, client.DeleteNamespace(ctx))
		}
	})
	require.NoError(t, environment.Prepare(ctx, client, root, cluster.PostgresImage))
	return client
}

// A ciRelease is the release of one file.
type ciRelease struct {
	t        *testing.T
	client   *kube.Client
	scenario string
}

func (r ciRelease) run(file string) {
	name := "ci-" + r.scenario
	r.helm("install", name, suite.charts.Shiplock, "--values="+file, "--wait", "--wait-for-jobs",
		"--set=global.imageRegistry="+environment.ImageRegistry)
	jobs, err := r.client.JSONPath(kube.Query{Args: []string{"jobs"}, Selector: "app.kubernetes.io/instance=" + name},
		"{range .items[*]}{.status.succeeded} {.spec.template.spec.containers[0].image}{end}")
	require.NoError(r.t, err)
	if want := expectedVersions[r.scenario]; want == "" {
		assert.Empty(r.t, jobs)
	} else {
		assert.Regexp(r.t, "^1 "+environment.ImageRegistry+"/shiplock/", jobs)
		assert.Equal(r.t, want, r.version())
		r.helm("test", name)
	}
	r.helm("uninstall", name, "--wait")
}

// version returns the row of the version table, which has another name in one of the files.
func (r ciRelease) version() string {
	table := "schema_migrations"
	if r.scenario == "everything" {
		table = "booking_migrations"
	}
	rows, err := environment.SQL(r.t.Context(), r.client, r.scenario, fmt.Sprintf("SELECT version, dirty FROM %s;", table))
	require.NoError(r.t, err)
	return strings.TrimSpace(rows)
}

// helm runs the scenarios' helm command in a separate process, because Helm's settings and log are global.
func (r ciRelease) helm(args ...string) {
	r.t.Helper()
	cmd := exec.CommandContext(r.t.Context(), "helm", args...)
	cmd.Env = os.Environ()
	for key, value := range suite.environment(r.t.TempDir()) {
		cmd.Env = append(cmd.Env, key+"="+value)
	}
	cmd.Env = append(cmd.Env, "HELM_NAMESPACE="+r.client.Namespace)
	out, err := cmd.CombinedOutput()
	require.NoError(r.t, err, "helm %s\n%s", strings.Join(args, " "), out)
}
