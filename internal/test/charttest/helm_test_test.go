package charttest

import (
	"maps"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"helm.sh/helm/v3/pkg/release"
	corev1 "k8s.io/api/core/v1"
)

// "helm test" verifies the schema version with the connection settings of the Job, and changes nothing.
func TestHelmTest_Modes_RenderPod(t *testing.T) {
	t.Parallel()
	for name, values := range map[string]string{
		"hook":  withURL + "timeout: 2m",
		"job":   withURL + "timeout: 2m\nmode: job",
		"mount": withURL + "timeout: 2m\nmigrations: {image: {repository: a, tag: b}}",
	} {
		r := render(t, values+"\ncommonAnnotations: {a: b}\npodLabels: {network: database}\nnodeSelector: {disk: fast}\nserviceAccount: {name: s}")
		pod, err := Find[*corev1.Pod](r, "booking-shiplock-test")
		require.NoError(t, err)
		for _, h := range r.Hooks {
			assert.Equal(t, h.Kind == "Pod", len(h.Events) == 1 && h.Events[0] == release.HookTest, name)
		}
		assertRestricted(t, name, pod.Spec)
		assert.Equal(t, "schema-test", pod.Labels["app.kubernetes.io/component"], "the notes select the Job's pods by their component")
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

// The chart renders the test even if the parent's template renders the Job: otherwise a release without that include would run no migrations
// without an error. The include renders the version to wait for.
func TestHelmTest_ParentFiles_WaitsForVersion(t *testing.T) {
	t.Parallel()
	const argument = "--version=$(shiplock.migrationsConfigMap-is-not-included)"
	files := map[string]string{"migrations/0009_a.up.sql": "", "migrations/0010_a.up.sql": ""}
	for name, tc := range map[string]struct {
		values, template string
		args             []string
		version          string
	}{
		"a hook":                  {"mode: hook", includeShiplock, []string{"wait", "--timeout=240s"}, ""},
		"a hook, not included":    {"mode: hook", "", []string{"wait", "--timeout=240s"}, ""},
		"a Job":                   {"mode: job", includeShiplock, []string{"wait", argument, "--timeout=240s"}, "10"},
		"a Job, not included":     {"mode: job", "", []string{"wait", argument, "--timeout=240s"}, ""},
		"a Job, disabled branch":  {"mode: job", "{{ if .Values.no }}" + includeShiplock + "{{ end }}", []string{"wait", argument, "--timeout=240s"}, ""},
		"the first, not included": {"database: {partOfRelease: true}", "", []string{"wait", argument, "--timeout=240s"}, ""},
		"only another dependency": {"mode: job", includeOrders, []string{"wait", argument, "--timeout=240s"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			files := maps.Clone(files)
			files["orders/1_a.up.sql"] = ""
			r, err := Render(parent(t, tc.template, files), Options{Values: map[string]any{"shiplock": parse(t, tc.values), "orders": map[string]any{"mode": "job", "enabled": tc.template == includeOrders}}})
			require.NoError(t, err)
			assertValidObjects(t, r)
			pod, err := Find[*corev1.Pod](r, "booking-shiplock-test")
			require.NoError(t, err)
			c := pod.Spec.Containers[0]
			assert.Equal(t, tc.args, c.Args)
			if len(tc.args) == 2 {
				assert.Equal(t, "booking-shiplock-migrations", pod.Spec.Volumes[0].ConfigMap.Name)
				return
			}
			assert.Empty(t, pod.Spec.Volumes)
			assert.Empty(t, c.VolumeMounts)
			require.Equal(t, "shiplock.migrationsConfigMap-is-not-included", c.Env[0].Name)
			from := c.Env[0].ValueFrom.ConfigMapKeyRef
			assert.True(t, *from.Optional, "or the pod would not start, and report nothing")
			marker, err := Find[*corev1.ConfigMap](r, from.Name)
			assert.Equal(t, tc.version != "", err == nil)
			if tc.version != "" {
				assert.Equal(t, tc.version, marker.Data[from.Key])
			}
		})
	}
}

// With mode: initContainer, only the test detects a missing include.
func TestHelmTest_InitContainer_RendersPod(t *testing.T) {
	t.Parallel()
	values := map[string]any{"shiplock": parse(t, withURL+"mode: initContainer"), "orders": map[string]any{"enabled": false}, "stockKeeping": map[string]any{"enabled": false}}
	for _, helper := range []string{"initContainer", "podVolumes"} {
		r, err := Render(app(t, helper, ""), Options{Values: values})
		require.NoError(t, err)
		pod, err := Find[*corev1.Pod](r, "booking-shiplock-test")
		require.NoError(t, err)
		assert.Equal(t, []string{"wait", "--timeout=240s"}, pod.Spec.Containers[0].Args, helper)
	}
}
