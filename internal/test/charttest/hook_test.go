package charttest

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"helm.sh/helm/v3/pkg/release"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/shiplock/shiplock/internal/notify"
	"github.com/shiplock/shiplock/internal/report"
)

// The Secret is created before the Job that reads it. No object is an ordinary resource of the release, which would be created too late at
// the first install.
func TestHooks_Defaults_SecretBeforeJob(t *testing.T) {
	t.Parallel()
	r := render(t, withURL)
	assert.Empty(t, r.Manifest)
	hooks := slices.DeleteFunc(r.Hooks, func(h *release.Hook) bool { return slices.Contains(h.Events, release.HookTest) })
	require.Len(t, hooks, 2)
	for i, want := range []struct {
		kind   string
		weight int
		logs   []release.HookOutputLogPolicy
	}{{kind: "Secret", weight: -10, logs: []release.HookOutputLogPolicy{}}, {kind: "Job", logs: []release.HookOutputLogPolicy{release.HookOutputOnFailed}}} {
		h := hooks[i]
		assert.Equal(t, want.kind, h.Kind)
		assert.Equal(t, want.weight, h.Weight)
		assert.Equal(t, want.logs, h.OutputLogPolicies)
		assert.Equal(t, []release.HookEvent{release.HookPreInstall, release.HookPreUpgrade}, h.Events)
		assert.Equal(t, []release.HookDeletePolicy{release.HookBeforeHookCreation}, h.DeletePolicies, "a failed Job and its log remain")
	}
}

func TestJob_Defaults_Spec(t *testing.T) {
	t.Parallel()
	j := job(t, render(t, withURL), "")
	assert.Nil(t, j.Spec.TTLSecondsAfterFinished, "Helm 3 treats a deleted Job as successful")
	assert.EqualValues(t, 2, *j.Spec.BackoffLimit)
	assert.Less(t, *j.Spec.ActiveDeadlineSeconds, int64((5 * time.Minute).Seconds()), "Helm's timeout")
	pod := j.Spec.Template.Spec
	assert.Equal(t, corev1.RestartPolicyNever, pod.RestartPolicy, "podFailurePolicy allows no other")
	assert.False(t, *pod.AutomountServiceAccountToken)
	assert.Empty(t, pod.ServiceAccountName, "an account of this release does not exist at its first install")
	assert.Empty(t, pod.InitContainers, "Helm does not print their logs")
	c := migrator(t, j)
	assert.Equal(t, "migrator", c.Name)
	assert.Equal(t, []string{"up"}, c.Args)
	assert.Empty(t, c.Command, "the image's entry point is the migrator")
	assert.Equal(t, corev1.TerminationMessageFallbackToLogsOnError, c.TerminationMessagePolicy)
	assert.Equal(t, "false", j.Spec.Template.Labels["sidecar.istio.io/inject"])
	assert.Equal(t, "disabled", j.Spec.Template.Annotations["linkerd.io/inject"])
}

// The Job's pod has no proxy, or a native sidecar.
func TestSidecarInjection_Values_SetAnnotations(t *testing.T) {
	t.Parallel()
	const linkerd = "config.linkerd.io/proxy-enable-native-sidecar"
	for values, want := range map[string][]string{
		"":                         {"false", "disabled", "", ""},
		"sidecarInjection: true\n": {"", "", "true", "true"},
		"sidecarInjection: true\nnativeSidecar: false": {"", "", "", ""},
	} {
		pod := job(t, render(t, withURL+values), "").Spec.Template
		a := pod.Annotations
		assert.Equal(t, want, []string{pod.Labels["sidecar.istio.io/inject"], a["linkerd.io/inject"], a["sidecar.istio.io/nativeSidecar"], a[linkerd]}, values)
		assert.Equal(t, want[0], a["sidecar.istio.io/inject"], values)
	}
	own := job(t, render(t, withURL+"sidecarInjection: true\nnativeSidecar: false\npodAnnotations: {sidecar.istio.io/nativeSidecar: 'false'}"), "")
	assert.Equal(t, "false", own.Spec.Template.Annotations["sidecar.istio.io/nativeSidecar"])
}

func TestCommonLabels_ChartLabels_TakePrecedence(t *testing.T) {
	t.Parallel()
	j := job(t, render(t, withURL+"commonLabels: {app.kubernetes.io/name: a, tier: db}\npodLabels: {app.kubernetes.io/instance: b, zone: c}"), "")
	pod := j.Spec.Template.Labels
	assert.Equal(t, []string{"shiplock", "db"}, []string{j.Labels["app.kubernetes.io/name"], j.Labels["tier"]})
	assert.Equal(t, []string{"shiplock", "booking", "db", "c"}, []string{pod["app.kubernetes.io/name"], pod["app.kubernetes.io/instance"], pod["tier"], pod["zone"]})
}

// Three attempts that time out waiting for the database, with the back-off of Kubernetes, finish before the Job's deadline, which would remove
// the failure report.
func TestBackoffLimit_Default_FitsDeadline(t *testing.T) {
	t.Parallel()
	r := render(t, withURL)
	wait, err := time.ParseDuration(environment(t, r)["SHIPLOCK_WAIT_FOR_DB"])
	require.NoError(t, err)
	spec := job(t, r, "").Spec
	var total, pause time.Duration = wait, 10 * time.Second // the Job controller's first back-off; it doubles
	for range *spec.BackoffLimit {
		total += pause + wait
		pause *= 2
	}
	const starting = 5 * time.Second // of each pod
	total += starting * time.Duration(*spec.BackoffLimit+1)
	assert.Less(t, total, time.Duration(*spec.ActiveDeadlineSeconds)*time.Second)
}

// A Job must not retry an exit code that a retry cannot fix: it would run a failed migration three times.
func TestPodFailurePolicy_ExitCodes_FailOrRetry(t *testing.T) {
	t.Parallel()
	rules := job(t, render(t, withURL), "").Spec.PodFailurePolicy.Rules
	outcome := func(code int32, disrupted bool) batchv1.PodFailurePolicyAction {
		for _, rule := range rules {
			if e := rule.OnExitCodes; e != nil && e.Operator == batchv1.PodFailurePolicyOnExitCodesOpIn && *e.ContainerName == "migrator" && slices.Contains(e.Values, code) {
				return rule.Action
			}
			for _, c := range rule.OnPodConditions {
				if disrupted && c.Type == corev1.DisruptionTarget && c.Status == corev1.ConditionTrue {
					return rule.Action
				}
			}
		}
		return batchv1.PodFailurePolicyActionCount
	}
	failJob := 0
	for _, code := range append(notify.ExitCodes(), report.ExitSignal+9, report.ExitSignal+15) {
		switch c := int32(code); {
		case code == report.ExitOK, code == report.ExitSignal: // never the code of a failed container
		case report.IsRetried(code):
			assert.Equal(t, batchv1.PodFailurePolicyActionCount, outcome(c, false), code)
			assert.Equal(t, batchv1.PodFailurePolicyActionIgnore, outcome(c, true), "%d on a drained node", code)
		default:
			failJob++
			assert.Equal(t, batchv1.PodFailurePolicyActionFailJob, outcome(c, false), code)
			assert.Equal(t, batchv1.PodFailurePolicyActionFailJob, outcome(c, true), "%d, and the node is drained too", code)
		}
	}
	assert.Len(t, rules[0].OnExitCodes.Values, failJob, "codes that the migrator does not have")
}

// The fields that the restricted Pod Security level requires. The e2e tests use a namespace that enforces it.
// https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted
func TestPods_Defaults_MeetRestricted(t *testing.T) {
	t.Parallel()
	sample, err := Render(sampleDir, Options{})
	require.NoError(t, err)
	for name, r := range map[string]*Rendered{
		"chart":         render(t, withURL),
		"with mounts":   render(t, "database: {url: x, ca: {secretName: ca}}\nmigrations: {image: {repository: a, tag: b}}"),
		"sample":        sample,
		"notifications": render(t, toYAML(t, readValues(t, "testdata/notifications-values.yaml"))),
	} {
		assertRestricted(t, name, job(t, r, "").Spec.Template.Spec)
	}
	app, err := Find[*appsv1.Deployment](sample, "")
	require.NoError(t, err)
	assertRestricted(t, "sample's application", app.Spec.Template.Spec)
}

func assertRestricted(t *testing.T, name string, pod corev1.PodSpec) {
	t.Helper()
	assert.True(t, *pod.SecurityContext.RunAsNonRoot, name)
	if pod.SecurityContext.RunAsUser != nil {
		assert.NotZero(t, *pod.SecurityContext.RunAsUser, name)
	}
	assert.Equal(t, corev1.SeccompProfileTypeRuntimeDefault, pod.SecurityContext.SeccompProfile.Type, name)
	assert.False(t, pod.HostNetwork || pod.HostPID || pod.HostIPC, name)
	for _, v := range pod.Volumes {
		assert.Nil(t, v.HostPath, name)
	}
	require.NotEmpty(t, pod.Containers, name)
	for _, c := range pod.Containers {
		if c.SecurityContext.RunAsUser != nil {
			assert.NotZero(t, *c.SecurityContext.RunAsUser, name)
		}
		assert.False(t, *c.SecurityContext.AllowPrivilegeEscalation, name)
		assert.True(t, *c.SecurityContext.ReadOnlyRootFilesystem, name)
		assert.Equal(t, []corev1.Capability{"ALL"}, c.SecurityContext.Capabilities.Drop, name)
		assert.Empty(t, c.SecurityContext.Capabilities.Add, name)
	}
}
