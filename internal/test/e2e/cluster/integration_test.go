package cluster

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestEnsure_KindCluster_Works checks the features of the cluster that Shiplock's tests use.
func TestEnsure_KindCluster_Works(t *testing.T) {
	if testing.Short() {
		t.Skip("makes a cluster")
	}
	c, err := Ensure(t.Context(), Options{Log: testLog{t}})
	require.NoError(t, err)
	client := newClient(t, c)
	before := nodeUID(t, client)
	_, err = Ensure(t.Context(), Options{})
	require.NoError(t, err)
	assert.Equal(t, before, nodeUID(t, client), "a healthy cluster is reused")
	buildProbe(t, c)

	t.Run("a pod runs to its end and its log can be read", func(t *testing.T) {
		n := newNamespace(t, client)
		n.create(pod("exit", "0"))
		assert.Equal(t, corev1.PodSucceeded, n.finished("probe").Status.Phase)
		assert.Equal(t, "leaving with 0\n", n.log("probe"))
	})
	t.Run("an image is a volume", func(t *testing.T) {
		n := newNamespace(t, client)
		p := pod("read", "/data/greeting")
		p.Spec.Volumes = []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{
			Image: &corev1.ImageVolumeSource{Reference: dataImage, PullPolicy: corev1.PullNever}}}}
		p.Spec.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "data", MountPath: "/data"}}
		n.create(p)
		assert.Equal(t, corev1.PodSucceeded, n.finished("probe").Status.Phase)
		assert.Equal(t, "ahoy\n", n.log("probe"))
	})
	t.Run("podFailurePolicy ends a job at once", func(t *testing.T) {
		n := newNamespace(t, client)
		job, err := client.BatchV1().Jobs(n.name).Create(t.Context(), failingJob(), metav1.CreateOptions{})
		require.NoError(t, err)
		n.until("the job fails", func() bool {
			job, err = client.BatchV1().Jobs(n.name).Get(t.Context(), job.Name, metav1.GetOptions{})
			return err == nil && jobReason(job) != ""
		})
		assert.Equal(t, batchv1.JobReasonPodFailurePolicy, jobReason(job))
		assert.EqualValues(t, 1, job.Status.Failed)
	})
	t.Run("restricted is enforced", func(t *testing.T) {
		n := newNamespace(t, client)
		p := pod("exit", "0")
		p.Spec.SecurityContext.RunAsNonRoot = nil
		_, err := client.CoreV1().Pods(n.name).Create(t.Context(), p, metav1.CreateOptions{})
		require.True(t, apierrors.IsForbidden(err), "%v", err)
		assert.ErrorContains(t, err, "violates PodSecurity")
	})
	t.Run("a service is reached through the API server, and its pod goes at a signal", func(t *testing.T) {
		n := newNamespace(t, client)
		n.create(pod("serve", ":8080"))
		n.serve("probe", 8080)
		n.until("the service answers", func() bool {
			body, err := client.CoreV1().Services(n.name).ProxyGet("http", "probe", "8080", "/", nil).DoRaw(t.Context())
			return err == nil && string(body) == "served"
		})
		longer := int64(2 * waitTimeout.Seconds()) // so that the signal ends it
		require.NoError(t, client.CoreV1().Pods(n.name).Delete(t.Context(), "probe", metav1.DeleteOptions{GracePeriodSeconds: &longer}))
		n.until("the pod is gone", func() bool {
			_, err := client.CoreV1().Pods(n.name).Get(t.Context(), "probe", metav1.GetOptions{})
			return apierrors.IsNotFound(err)
		})
	})
	t.Run("PostgreSQL starts as a restricted pod and answers by its DNS name", func(t *testing.T) {
		image, err := c.Postgres(t.Context())
		require.NoError(t, err)
		n := newNamespace(t, client)
		n.create(postgresPod(image))
		n.serve("postgres", 5432)
		n.until("the database is ready", func() bool { return n.ready("postgres") })
		n.create(pod("postgres", "postgres."+n.name+".svc:5432"))
		finished := n.finished("probe")
		assert.Contains(t, n.log("probe"), "answered ")
		assert.Equal(t, corev1.PodSucceeded, finished.Status.Phase)
		assert.Equal(t, "x y\n", kubectl(t, c, "exec", "--namespace", n.name, "postgres", "--",
			"psql", "--username=postgres", "--tuples-only", "--no-align", "--command=SELECT 'x y'"))
	})
}

const (
	probeImage = "localhost/shiplock/cluster-test/probe:dev"
	dataImage  = "localhost/shiplock/cluster-test/data:dev"
)

// buildProbe loads the images of this test into the cluster: a program and a file, each FROM scratch.
func buildProbe(t *testing.T, c *Cluster) {
	t.Helper()
	dir := t.TempDir()
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", filepath.Join(dir, "probe"), "./testdata/probe")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	_, err := output(build)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "greeting"), []byte("ahoy\n"), 0o644))
	for tag, file := range map[string]string{probeImage: "probe", dataImage: "greeting"} {
		recipe := filepath.Join(t.TempDir(), "Containerfile")
		require.NoError(t, os.WriteFile(recipe, []byte("FROM scratch\nCOPY "+file+" /\nENTRYPOINT [\"/"+file+"\"]\n"), 0o644))
		require.NoError(t, c.Engine.Build(t.Context(), tag, dir, recipe))
	}
	require.NoError(t, c.Load(t.Context(), probeImage, dataImage))
	_, missing, err := c.missing(t.Context(), []string{probeImage, dataImage})
	require.NoError(t, err)
	assert.Empty(t, missing, "existing images are not loaded again")
}

func kubectl(t *testing.T, c *Cluster, args ...string) string {
	t.Helper()
	out, err := c.Engine.Run(t.Context(), append([]string{"exec", c.node(), "kubectl"}, args...)...)
	require.NoError(t, err)
	return out + "\n"
}

type testLog struct{ t *testing.T }

func (l testLog) Write(p []byte) (int, error) {
	for line := range strings.Lines(string(bytes.TrimSpace(p))) {
		l.t.Log(strings.TrimRight(line, "\n"))
	}
	return len(p), nil
}
