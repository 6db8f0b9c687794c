package charttest

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"helm.sh/helm/v3/pkg/release"
	corev1 "k8s.io/api/core/v1"
)

// "helm test" asks whether the schema is the release's, with what the Job connects with, and changes nothing.
func TestHelmTest(t *testing.T) {
	t.Parallel()
	for name, values := range map[string]string{
		"hook":  withURL + "timeout: 2m",
		"job":   withURL + "timeout: 2m\nmode: job",
		"mount": withURL + "timeout: 2m\nmigrations: {image: {repository: a, tag: b}}",
	} {
		r := render(t, values+"\nannotations: {a: b}\npodLabels: {network: database}\nnodeSelector: {disk: fast}\nserviceAccountName: s")
		pod, err := Find[*corev1.Pod](r, "booking-shiplock-test")
		require.NoError(t, err)
		for _, h := range r.Hooks {
			assert.Equal(t, h.Kind == "Pod", len(h.Events) == 1 && h.Events[0] == release.HookTest, name)
		}
		isRestricted(t, name, pod.Spec)
		assert.Equal(t, "schema-test", pod.Labels["app.kubernetes.io/component"], "the notes select the Job's pods by theirs")
		assert.Equal(t, []string{"database", "false"}, []string{pod.Labels["network"], pod.Labels["sidecar.istio.io/inject"]})
		assert.Equal(t, []string{"b", "disabled"}, []string{pod.Annotations["a"], pod.Annotations["linkerd.io/inject"]})
		assert.Equal(t, []string{"wait", "--timeout=120s"}, pod.Spec.Containers[0].Args)
		assert.EqualValues(t, 150, *pod.Spec.ActiveDeadlineSeconds)
		assert.Equal(t, corev1.RestartPolicyNever, pod.Spec.RestartPolicy)
		assert.Equal(t, []string{"s", "fast"}, []string{pod.Spec.ServiceAccountName, pod.Spec.NodeSelector["disk"]})
		j := migrator(t, job(t, r, ""))
		assert.Equal(t, j.Env[0], pod.Spec.Containers[0].Env[0])
		assert.Equal(t, j.VolumeMounts, pod.Spec.Containers[0].VolumeMounts)
		assert.Equal(t, job(t, r, "").Spec.Template.Spec.Volumes, pod.Spec.Volumes)
	}
	for _, values := range []string{"mode: argocd", "tool: {image: {repository: a, tag: b}, command: [c]}"} {
		_, err := Find[*corev1.Pod](render(t, withURL+values), "")
		assert.Error(t, err, "%s has no test", values)
	}
}

// The test of an ordinary Job that runs the parent's files reads the same files.
func TestHelmTestOfTheParentsFiles(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"hook", "job"} {
		r, err := Render(parent(t, ofShiplock, map[string]string{"migrations/1_a.up.sql": ""}), Options{Values: parse(t, "shiplock: {mode: "+mode+"}\norders: {enabled: false}")})
		require.NoError(t, err)
		pod, err := Find[*corev1.Pod](r, "")
		require.NoError(t, err)
		_, err = Find[*corev1.ConfigMap](r, pod.Spec.Volumes[0].ConfigMap.Name)
		require.NoError(t, err)
		assert.True(t, strings.HasSuffix(pod.Name, "-shiplock-test"))
	}
}
