package bench

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"helm.sh/helm/v3/pkg/strvals"

	"github.com/shiplock/shiplock/hack/bench/result"
	"github.com/shiplock/shiplock/internal/test/charttest"
	"github.com/shiplock/shiplock/internal/test/e2e/cluster"
	"github.com/shiplock/shiplock/internal/test/e2e/database"
	"github.com/shiplock/shiplock/internal/test/e2e/environment"
	"github.com/shiplock/shiplock/internal/test/e2e/kube"
	"github.com/shiplock/shiplock/internal/test/program"
)

// namespace is the namespace of the cluster figures and the name of their database.
const (
	namespace        = "shiplock-bench"
	databasePassword = "bench"
)

// The values of the charts, as in helm's --set.
var (
	shiplockSet = []string{"image.repository=localhost/shiplock/booking-migrations", "image.tag=v1",
		"database.existingSecret.name=booking-database", "database.existingSecret.keys.url=DATABASE_URL"}
	nothingSet = []string{"image=localhost/shiplock/booking-migrations:v1"}
)

func fiftySet(pods int) []string {
	return []string{"image.tag=v1", "shiplock.image.tag=v1", "shiplock.mode=initContainer", "shiplock.migrations.existingConfigMap=" + workConfigMap,
		"shiplock.logLevel=debug", "shiplock.logFormat=json", fmt.Sprintf("replicas=%d", pods), "shiplock.resources.requests.cpu=1m", "shiplock.resources.requests.memory=8Mi"}
}

// idleSet returns values for pods like those of fiftySet, with an init container that does nothing.
func idleSet(pods int) []string {
	return append([]string{"application=localhost/shiplock/booking:v1", fmt.Sprintf("pods=%d", pods)}, nothingSet...)
}

// TestClusterFigures_Charts_Render checks the values of the figures that need a cluster, which run rarely.
func TestClusterFigures_Charts_Render(t *testing.T) {
	for _, c := range []struct {
		chart string
		set   []string
	}{{"../../chart", shiplockSet}, {"testdata/nothing", nothingSet}, {"testdata/nothing", idleSet(49)}, {"../sample/chart", fiftySet(50)}} {
		values := map[string]any{}
		for _, s := range c.set {
			require.NoError(t, strvals.ParseInto(s, values))
		}
		_, err := charttest.Render(c.chart, charttest.Options{Values: values})
		require.NoError(t, err, c.chart)
	}
}

// A clusterFixture is the cluster of the end-to-end tests, with a namespace and an empty database.
type clusterFixture struct {
	*environment.Environment
	helm string
}

func onCluster(t *testing.T) *clusterFixture {
	t.Helper()
	base, err := environment.Build(t.Context(), cluster.TestName, t.TempDir(), os.Stderr)
	require.NoError(t, err)
	base.Kube = base.Kube.In(namespace)
	require.NoError(t, base.Kube.Delete(t.Context(), kube.Query{Args: []string{"namespace/" + namespace}}))
	require.NoError(t, base.Kube.CreateNamespace(t.Context()))
	require.NoError(t, base.Database.Create(t.Context(), namespace, databasePassword))
	require.NoError(t, base.Kube.CreateSecret(t.Context(), "booking-database", map[string]string{"DATABASE_URL": database.URL(namespace, databasePassword)}))
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		require.NoError(t, base.Kube.DeleteNamespace(ctx))
		require.NoError(t, base.Database.Drop(ctx, namespace))
	})
	return &clusterFixture{base, program.HackTool(t, "helm3")}
}

// upgrade runs helm upgrade and returns its duration.
func (th *clusterFixture) upgrade(t *testing.T, release, chart string, set ...string) time.Duration {
	t.Helper()
	args := []string{"upgrade", "--install", release, chart, "--timeout=10m"}
	for _, s := range set {
		args = append(args, "--set="+s)
	}
	return th.run(t, args...)
}

func (th *clusterFixture) uninstall(t *testing.T, release string) {
	t.Helper()
	th.run(t, "uninstall", release, "--wait", "--timeout=10m")
}

func (th *clusterFixture) run(t *testing.T, args ...string) time.Duration {
	t.Helper()
	cmd := exec.Command(th.helm, args...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+th.Cluster.Kubeconfig, "HELM_NAMESPACE="+namespace)
	start := time.Now()
	output, err := cmd.CombinedOutput()
	require.NoErrorf(t, err, "%s", output)
	return time.Since(start)
}

// clusterNothing measures the duration of the chart's hook without pending migrations.
func clusterNothing(t *testing.T, s scale) result.Figure {
	th := onCluster(t)
	hook := func() time.Duration { return th.upgrade(t, "schema", th.Charts.Shiplock, shiplockSet...) }
	nothing := func() time.Duration { return th.upgrade(t, "nothing", "testdata/nothing", nothingSet...) }
	hook()
	nothing()
	var with, without []time.Duration
	for range s.releases {
		without, with = append(without, nothing()), append(with, hook())
	}
	itself := func(d time.Duration) time.Duration { return d }
	a, b := median(with, itself, compare), median(without, itself, compare)
	ratio := a.Seconds() / b.Seconds()
	return result.Figure{
		Title: "Nothing pending, in the cluster",
		How: fmt.Sprintf("`helm upgrade` of the Shiplock chart as a standalone release with all migrations applied, and of a chart whose hook is a Job of the same image that does nothing (`testdata/nothing`). "+
			"The median of %d runs in turn, on the kind cluster of the end-to-end tests", s.releases),
		Tools:  []result.Tool{{Name: "helm", Version: program.LastLine(t, th.helm, "version", "--short")}},
		Tables: []result.Table{{Header: []string{"hook", "helm upgrade"}, Rows: [][]string{{"shiplock", cell(a, b, seconds)}, {"does nothing", seconds(b)}}}},
		Goals:  []result.Goal{goal("within 10 % of a Job that does nothing", times(ratio), ratio <= 1.1)},
	}
}

func (th *clusterFixture) query(t *testing.T, sql string) string {
	t.Helper()
	out, err := th.Database.Query(t.Context(), namespace, namespace, sql)
	require.NoError(t, err)
	return strings.TrimSpace(out)
}
