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
	"github.com/shiplock/shiplock/internal/charttest"
	"github.com/shiplock/shiplock/internal/e2e/cluster"
	"github.com/shiplock/shiplock/internal/e2e/database"
	"github.com/shiplock/shiplock/internal/e2e/kube"
	"github.com/shiplock/shiplock/internal/e2e/stage"
)

// namespace is the cluster figures' own, and the name of their database.
const (
	namespace        = "shiplock-bench"
	databasePassword = "bench"
)

// What the charts are told, as in helm's --set.
var (
	oursSet = []string{"image.repository=localhost/shiplock/booking-migrations", "image.tag=v1",
		"database.existingSecret.name=booking-database", "database.existingSecret.keys.url=DATABASE_URL"}
	nothingSet = []string{"image=localhost/shiplock/booking-migrations:v1"}
)

func fiftySet(pods int) []string {
	return []string{"image.tag=v1", "shiplock.image.tag=v1", "shiplock.mode=initContainer", "shiplock.migrations.existingConfigMap=" + workConfigMap,
		"shiplock.logLevel=debug", "shiplock.logFormat=json", fmt.Sprintf("replicas=%d", pods), "shiplock.resources.requests.cpu=1m", "shiplock.resources.requests.memory=8Mi"}
}

// idleSet are pods like those of fiftySet, but for an init container that does nothing.
func idleSet(pods int) []string {
	return append([]string{"application=localhost/shiplock/booking:v1", fmt.Sprintf("pods=%d", pods)}, nothingSet...)
}

// TestTheClustersChartsRender: the figures that need a cluster are taken seldom, and
// a value that is gone should be noticed before.
func TestTheClustersChartsRender(t *testing.T) {
	for _, c := range []struct {
		chart string
		set   []string
	}{{"../../chart", oursSet}, {"testdata/nothing", nothingSet}, {"testdata/nothing", idleSet(49)}, {"../sample/chart", fiftySet(50)}} {
		values := map[string]any{}
		for _, s := range c.set {
			require.NoError(t, strvals.ParseInto(s, values))
		}
		_, err := charttest.Render(c.chart, charttest.Options{Values: values})
		require.NoError(t, err, c.chart)
	}
}

// theatre is the cluster of the end-to-end tests, with a namespace and an empty database.
type theatre struct {
	*stage.Stage
	helm string
}

func onCluster(t *testing.T) *theatre {
	t.Helper()
	base, err := stage.Build(t.Context(), cluster.TestName, t.TempDir(), os.Stderr)
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
	return &theatre{base, installed(t, "helm3")}
}

// upgrade is helm's own, and how long it took.
func (th *theatre) upgrade(t *testing.T, release, chart string, set ...string) time.Duration {
	t.Helper()
	args := []string{"upgrade", "--install", release, chart, "--timeout=10m"}
	for _, s := range set {
		args = append(args, "--set="+s)
	}
	return th.run(t, args...)
}

func (th *theatre) uninstall(t *testing.T, release string) {
	t.Helper()
	th.run(t, "uninstall", release, "--wait", "--timeout=10m")
}

func (th *theatre) run(t *testing.T, args ...string) time.Duration {
	t.Helper()
	cmd := exec.Command(th.helm, args...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+th.Cluster.Kubeconfig, "HELM_NAMESPACE="+namespace)
	start := time.Now()
	said, err := cmd.CombinedOutput()
	require.NoErrorf(t, err, "%s", said)
	return time.Since(start)
}

// clusterNothing is what a release pays for our hook when there is nothing to do.
func clusterNothing(t *testing.T, s scale) result.Figure {
	th := onCluster(t)
	ours := func() time.Duration { return th.upgrade(t, "schema", th.Charts.Shiplock, oursSet...) }
	nothing := func() time.Duration { return th.upgrade(t, "nothing", "testdata/nothing", nothingSet...) }
	ours()
	nothing()
	var with, without []time.Duration
	for range s.releases {
		without, with = append(without, nothing()), append(with, ours())
	}
	itself := func(d time.Duration) time.Duration { return d }
	a, b := median(with, itself, compare), median(without, itself, compare)
	ratio := a.Seconds() / b.Seconds()
	return result.Figure{
		Title: "Nothing to do, in the cluster",
		How: fmt.Sprintf("`helm upgrade` of our chart by itself, all migrations applied, and of a chart whose hook is a Job of the same image that does nothing (`testdata/nothing`); "+
			"the median of %d in turn, on the kind cluster of the end-to-end tests", s.releases),
		Tools:  []result.Tool{{Name: "helm", Version: said(t, th.helm, "version", "--short")}},
		Tables: []result.Table{{Header: []string{"hook", "helm upgrade"}, Rows: [][]string{{"shiplock", cell(a, b, seconds)}, {"does nothing", seconds(b)}}}},
		Goals:  []result.Goal{goal("within 10 % of a Job that does nothing", times(ratio), ratio <= 1.1)},
	}
}

func (th *theatre) query(t *testing.T, sql string) string {
	t.Helper()
	out, err := th.Database.Query(t.Context(), namespace, namespace, sql)
	require.NoError(t, err)
	return strings.TrimSpace(out)
}
