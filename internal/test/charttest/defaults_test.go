package charttest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/shiplock/shiplock/internal/test/fixture"
	"github.com/shiplock/shiplock/internal/test/program"
)

// removable lists the values that are passed to Kubernetes unchanged and have defaults that some clusters reject.
var removable = []string{"resources", "wait.resources", "podSecurityContext", "securityContext"}

// An empty string removes a default.
func TestDefaults_EmptyString_Removes(t *testing.T) {
	t.Parallel()
	for _, path := range leaves("", readValues(t, chartDir+"/values.yaml")) {
		for _, object := range removable {
			field, found := strings.CutPrefix(path, object+".")
			if !found {
				continue
			}
			t.Run(path, func(t *testing.T) {
				t.Parallel()
				for _, value := range []any{"", nil} {
					text := render(t, toYAML(t, merge(parse(t, withURL), nested(path, value)))).Template()
					for _, c := range containersOf(t, text, object) {
						rendered := parse(t, c)
						assert.NotContains(t, leaves("", rendered), field)
						assert.NotContains(t, c, "null")
						assert.NotContains(t, c, "{}", "an object without fields is removed with its last field")
					}
				}
			})
		}
	}
}

// containersOf returns, as YAML, each occurrence of a removable value in text, the output of helm template.
func containersOf(t *testing.T, text, object string) []string {
	t.Helper()
	objects, err := Normalize(text)
	require.NoError(t, err)
	pick := func(v any) string {
		out, err := yaml.Marshal(v)
		require.NoError(t, err)
		return string(out)
	}
	var found []string
	for id, o := range objects {
		pod, _ := o["spec"].(map[string]any)
		if template, ok := pod["template"].(map[string]any); ok {
			pod, _ = template["spec"].(map[string]any)
		}
		containers, _ := pod["containers"].([]any)
		if len(containers) == 0 {
			continue
		}
		container := containers[0].(map[string]any)
		isJob := strings.HasPrefix(id, "Job/")
		switch {
		case object == "podSecurityContext":
			found = append(found, pick(pod["securityContext"]))
		case object == "securityContext":
			found = append(found, pick(container["securityContext"]))
		case object == "resources" && isJob, object == "wait.resources" && !isJob:
			found = append(found, pick(container["resources"]))
		}
	}
	require.NotEmpty(t, found)
	return found
}

// nested returns values in which only path is set.
func nested(path string, value any) map[string]any {
	name, rest, deeper := strings.Cut(path, ".")
	if !deeper {
		return map[string]any{name: value}
	}
	return map[string]any{name: nested(rest, value)}
}

// A parent chart can remove a default in several ways, with Helm 3 and 4. Helm 4 ignores a null in the parent's values.yaml.
func TestDefaults_Dependency_Removed(t *testing.T) {
	t.Parallel()
	const empty = "podSecurityContext: {seccompProfile: {type: ''}}\nsecurityContext: {readOnlyRootFilesystem: ''}\n" +
		"resources: {limits: {memory: ''}}\nmode: job\nttlSecondsAfterFinished: ''\ntool: {runAsUser: ''}\n"
	const migrating = withURL + "tool: {image: {repository: shop/app, tag: v2}, command: [migrate]}\n"
	sets := strings.Join([]string{"podSecurityContext.seccompProfile.type=NONE", "securityContext.readOnlyRootFilesystem=NONE",
		"resources.limits.memory=NONE", "ttlSecondsAfterFinished=NONE", "tool.runAsUser=NONE"}, ",shiplock.")
	for _, name := range []string{"helm3", "helm4"} {
		helm := program.HackTool(t, name)
		for how, tc := range map[string]struct {
			values string
			args   []string
		}{
			"parent's values": {values: mergeYAML(t, migrating, empty)},
			"file":            {values: migrating, args: []string{"-f", "FILE"}},
			"set, empty":      {values: migrating, args: []string{"--set", "shiplock.mode=job,shiplock." + strings.ReplaceAll(sets, "NONE", "")}},
			"set, null":       {values: migrating, args: []string{"--set", "shiplock.mode=job,shiplock." + strings.ReplaceAll(sets, "NONE", "null")}},
		} {
			t.Run(name+"/"+how, func(t *testing.T) {
				t.Parallel()
				dir, file := packagedParent(t, tc.values), filepath.Join(t.TempDir(), "values.yaml")
				require.NoError(t, os.WriteFile(file, []byte(toYAML(t, map[string]any{"shiplock": parse(t, empty)})), 0o644))
				args := []string{"template", "booking", dir, "--kube-version", KubeVersion}
				for _, a := range tc.args {
					args = append(args, strings.ReplaceAll(a, "FILE", file))
				}
				out := run(t, ".", helm, args...)
				_, text, found := strings.Cut(out, "\nkind: Job\n")
				require.True(t, found, out)
				text, _, _ = strings.Cut("kind: Job\n"+text, "\n---")
				var j batchv1.Job
				require.NoError(t, yaml.UnmarshalStrict([]byte(text), &j), text)
				yes := true
				pod := j.Spec.Template.Spec
				assert.Equal(t, &corev1.PodSecurityContext{RunAsNonRoot: &yes}, pod.SecurityContext)
				c := migrator(t, &j)
				assert.Nil(t, c.SecurityContext.ReadOnlyRootFilesystem)
				assert.Nil(t, c.SecurityContext.RunAsUser)
				assert.Empty(t, c.Resources.Limits)
				assert.NotEmpty(t, c.Resources.Requests)
				assert.Nil(t, j.Spec.TTLSecondsAfterFinished)
			})
		}
	}
}

// packagedParent creates a parent chart, as after "helm dependency build", with these values for the chart in its values.yaml.
func packagedParent(t *testing.T, values string) string {
	t.Helper()
	dir := fixture.FileMap(t, map[string]string{
		"Chart.yaml":  "{apiVersion: v2, name: shop, version: 1.0.0, dependencies: [{name: shiplock, version: 0.1.x, repository: 'file://../chart'}]}",
		"values.yaml": toYAML(t, map[string]any{"shiplock": parse(t, values)}),
	})
	to := filepath.Join(dir, "charts", "shiplock")
	require.NoError(t, os.MkdirAll(to, 0o755))
	require.NoError(t, os.CopyFS(to, os.DirFS(chartDir)))
	return dir
}

// OpenShift assigns user IDs to each namespace, and rejects pods with other IDs.
func TestRunAsUser_ToolOrOpenShift_Differs(t *testing.T) {
	t.Parallel()
	const tool = withURL + "tool: {image: {repository: shop/app, tag: v2}, command: [migrate]"
	id := func(n int64) *int64 { return &n }
	for name, tc := range map[string]struct {
		values         string
		openshift      bool
		pod, container *int64
	}{
		"image":                            {values: withURL},
		"pod security context":             {values: withURL + "podSecurityContext: {runAsUser: 1000}", pod: id(1000)},
		"tool":                             {values: tool + "}", container: id(65532)},
		"tool, runAsUser":                  {values: tool + ", runAsUser: 1000}", container: id(1000)},
		"tool, empty string":               {values: tool + ", runAsUser: ''}"},
		"tool, null":                       {values: tool + ", runAsUser: null}"},
		"tool, pod security context":       {values: tool + "}\npodSecurityContext: {runAsUser: 1000}", pod: id(1000)},
		"tool, container security context": {values: tool + "}\nsecurityContext: {runAsUser: 1000}", container: id(1000)},
		"OpenShift":                        {values: withURL, openshift: true},
		"OpenShift, tool":                  {values: tool + "}", openshift: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			opts := Options{Values: parse(t, tc.values)}
			if tc.openshift {
				opts.APIVersions = []string{"security.openshift.io/v1"}
			}
			r, err := Render(chartDir, opts)
			require.NoError(t, err)
			j := job(t, r, "")
			pod := j.Spec.Template.Spec
			assert.Equal(t, tc.pod, pod.SecurityContext.RunAsUser)
			assert.Equal(t, tc.container, migrator(t, j).SecurityContext.RunAsUser)
			assert.True(t, *pod.SecurityContext.RunAsNonRoot)
			if group := migrator(t, j).SecurityContext.RunAsGroup; group != nil {
				assert.Equal(t, tc.container, group)
			}
			assert.Nil(t, pod.SecurityContext.RunAsGroup, "containerd refuses a group without a user")
			assertRestricted(t, name, pod)
		})
	}
}

// An empty list of ports would allow all ports.
func TestNetworkPolicy_NoPorts_Default(t *testing.T) {
	t.Parallel()
	notifications := toYAML(t, readValues(t, "testdata/notifications-values.yaml"))
	want := render(t, mergeYAML(t, notifications, "networkPolicy: {enabled: true, dns: {ports: [53]}, apiServer: {ports: [443, 6443]}}")).Template()
	assert.Equal(t, want, render(t, mergeYAML(t, notifications, "networkPolicy: {enabled: true, dns: {ports: []}, apiServer: {ports: []}}")).Template())
}
