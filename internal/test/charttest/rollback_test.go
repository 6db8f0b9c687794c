package charttest

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"helm.sh/helm/v3/pkg/release"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
)

// A jobRun describes when a Job runs, and how it handles a newer database.
type jobRun struct{ when, onNewer, mode, dataLoss, revision string }

func jobRuns(t *testing.T, r *Rendered) map[string]jobRun {
	t.Helper()
	objects, err := r.Objects()
	require.NoError(t, err)
	all := map[string]jobRun{}
	for _, o := range objects {
		j, ok := o.(*batchv1.Job)
		if !ok {
			continue
		}
		env := map[string]string{}
		for _, v := range migrator(t, j).Env {
			env[v.Name] = v.Value
		}
		assert.Equal(t, "up", migrator(t, j).Args[0])
		when := j.Annotations["helm.sh/hook"] + j.Annotations["argocd.argoproj.io/hook"]
		all[j.Name] = jobRun{when, env["SHIPLOCK_ON_NEWER"], env["SHIPLOCK_MODE"], env["SHIPLOCK_ALLOW_DATA_LOSS"], env["SHIPLOCK_REVISION"]}
	}
	return all
}

// The Jobs of a rollback in each mode. Only Jobs after an upgrade or a rollback, or before it with when: pre-rollback, roll back the schema;
// an install never does.
func TestRollback_Modes_RunDown(t *testing.T) {
	t.Parallel()
	const main, pre, down = "booking-shiplock", "booking-shiplock-rollback", "booking-shiplock-down"
	const hooks = "pre-install,pre-upgrade"
	after := jobRun{when: "post-rollback,post-upgrade", onNewer: "down", mode: "post-rollback"}
	before := jobRun{when: "pre-rollback", mode: "pre-rollback"}
	for name, tc := range map[string]struct {
		values  string
		upgrade bool
		want    map[string]jobRun
	}{
		"keep":            {values: "rollback: {policy: keep}", want: map[string]jobRun{main: {hooks, "", "hook", "", "1"}}},
		"keep, and allow": {values: "onNewer: allow\nrollback: {policy: keep}", want: map[string]jobRun{main: {hooks, "allow", "hook", "", "1"}}},
		"after":           {values: "{}", want: map[string]jobRun{main: {hooks, "", "hook", "", "1"}, pre: before, down: after}},
		"after, upgrade":  {values: "{}", upgrade: true, want: map[string]jobRun{main: {hooks, "", "hook", "", "1"}, pre: before, down: after}},
		"after, with loss": {values: "rollback: {allowDataLoss: true}", want: map[string]jobRun{main: {hooks, "", "hook", "", "1"}, pre: before,
			down: {after.when, "down", "post-rollback", "true", ""}}},
		"before": {values: "rollback: {when: pre-rollback}", want: map[string]jobRun{main: {hooks, "", "hook", "", "1"},
			pre: {"pre-rollback", "down", "pre-rollback", "", ""}}},
		"before, upgrade": {values: "rollback: {when: pre-rollback, allowDataLoss: true}", upgrade: true, want: map[string]jobRun{
			main: {hooks, "down", "hook", "true", "1"}, pre: {"pre-rollback", "down", "pre-rollback", "true", ""}}},
		"Argo CD":         {values: "mode: argocd", want: map[string]jobRun{main: {"PreSync", "", "argocd", "", ""}, down: {"PostSync", "down", "post-rollback", "", ""}}},
		"Argo CD, before": {values: "mode: argocd\nrollback: {when: pre-rollback}", want: map[string]jobRun{main: {"PreSync", "down", "argocd", "", ""}}},
		"database of the release": {values: "database: {partOfRelease: true}", upgrade: true, want: map[string]jobRun{
			main: {"pre-upgrade", "", "hook", "", "1"}, pre: before, down: after}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			values := mergeYAML(t, withURL+"rollback: {policy: down}", tc.values)
			r, err := Render(chartDir, Options{Values: parse(t, values), Upgrade: tc.upgrade})
			require.NoError(t, err)
			assert.Equal(t, tc.want, jobRuns(t, r))
			assertValidObjects(t, r)
		})
	}
}

// With an ordinary Job, the hook rolls back: it runs after the release and uses the objects of the release.
func TestRollback_OrdinaryJobs_UseReleaseObjects(t *testing.T) {
	t.Parallel()
	const down = "rollback: {policy: down}\nkubernetesEvents: {enabled: true}\n"
	for _, values := range []string{"mode: job", "database: {partOfRelease: true}"} {
		r := render(t, mergeYAML(t, withURL+down, values))
		jobs := jobRuns(t, r)
		require.Len(t, jobs, 2)
		assert.Equal(t, jobRun{"post-rollback,post-upgrade", "down", "post-rollback", "", ""}, jobs["booking-shiplock-down"])
		delete(jobs, "booking-shiplock-down")
		for _, ordinary := range jobs {
			assert.Equal(t, jobRun{mode: "job"}, ordinary)
		}
		downJob := job(t, r, "booking-shiplock-down")
		assert.Nil(t, downJob.Spec.TTLSecondsAfterFinished, "Helm 3 treats a deleted hook as successful")
		secret, err := Find[*corev1.Secret](r, migrator(t, downJob).Env[0].ValueFrom.SecretKeyRef.Name)
		require.NoError(t, err)
		assert.Empty(t, secret.Annotations)
		_, err = Find[*corev1.ServiceAccount](r, downJob.Spec.Template.Spec.ServiceAccountName)
		require.NoError(t, err)
	}
	long, err := Render(chartDir, Options{Release: strings.Repeat("r", 53), Values: parse(t, withURL+down)})
	require.NoError(t, err)
	assertValidObjects(t, long)
}

// The objects that the Jobs of a rollback require are created again before them: the existing ones belong to the newer release.
func TestRollback_RequiredObjects_AreRecreated(t *testing.T) {
	t.Parallel()
	const values = "rollback: {policy: down}\nkubernetesEvents: {enabled: true}\nnetworkPolicy: {enabled: true}\n"
	dir := parent(t, includeShiplock, map[string]string{"migrations/1_a.up.sql": ""})
	r, err := Render(dir, Options{Values: map[string]any{"shiplock": parse(t, values), "orders": map[string]any{"enabled": false}}})
	require.NoError(t, err)
	assertValidObjects(t, r)
	kinds := map[string]bool{}
	for _, h := range r.Hooks {
		if h.Kind == "Job" || slices.Contains(h.Events, release.HookTest) {
			continue
		}
		kinds[h.Kind] = true
		assert.Equal(t, []release.HookEvent{release.HookPreInstall, release.HookPreUpgrade, release.HookPreRollback}, h.Events, h.Name)
		assert.Less(t, h.Weight, 0, h.Name)
	}
	assert.Equal(t, []string{"ConfigMap", "NetworkPolicy", "Role", "RoleBinding", "Secret", "ServiceAccount"}, slices.Sorted(maps.Keys(kinds)))
	downJob := job(t, r, "booking-shiplock-down").Spec.Template.Spec
	assert.Equal(t, job(t, r, "booking-shiplock").Spec.Template.Spec.Volumes, downJob.Volumes)
	assertRestricted(t, "down", downJob)
}

// With the parent's files and an ordinary Job, the parent's template renders the hook as well, because the name of the ConfigMap depends on the
// files.
func TestRollback_ParentFilesAndPods_RunDown(t *testing.T) {
	t.Parallel()
	const down = "rollback: {policy: down}\n"
	r, err := Render(parent(t, includeShiplock, map[string]string{"migrations/1_a.up.sql": ""}),
		Options{Values: map[string]any{"shiplock": parse(t, down+"mode: job"), "orders": map[string]any{"enabled": false}}})
	require.NoError(t, err)
	downJob := job(t, r, "booking-shiplock-down")
	_, err = Find[*corev1.ConfigMap](r, downJob.Spec.Template.Spec.Volumes[0].ConfigMap.Name)
	require.NoError(t, err)

	r, err = Render(app(t, "initContainer", ""), Options{Values: map[string]any{"shiplock": parse(t, withURL+down+"mode: initContainer"),
		"orders": map[string]any{"enabled": false}, "stockKeeping": map[string]any{"enabled": false}}})
	require.NoError(t, err)
	assert.Equal(t, map[string]jobRun{"booking-shiplock-down": {"post-rollback,post-upgrade", "down", "post-rollback", "", ""}}, jobRuns(t, r))
	secret, err := Find[*corev1.Secret](r, "")
	require.NoError(t, err)
	assert.Equal(t, secret.Name, migrator(t, job(t, r, "")).Env[0].ValueFrom.SecretKeyRef.Name)
	pod, err := renderPods(t, "initContainer", "", withExistingSecret+down+"mode: initContainer")
	require.NoError(t, err)
	for _, v := range pod.InitContainers[0].Env {
		assert.NotEqual(t, "SHIPLOCK_ON_NEWER", v.Name, "a restarted pod of the old version would roll back the migrations of the rollout")
	}
	waiting, err := renderPods(t, "waitForMigrations", "", withExistingSecret+down)
	require.NoError(t, err)
	for _, v := range waiting.InitContainers[0].Env {
		assert.NotEqual(t, "SHIPLOCK_ON_NEWER", v.Name, "the older pods and the hook would wait for each other")
	}
}

// The notes list all Jobs of a rollback, which remain after an uninstall.
func TestNotes_Rollback_ListJobs(t *testing.T) {
	t.Parallel()
	for values, names := range map[string][]string{
		"mode: hook": {"job/booking-shiplock-rollback", "job/booking-shiplock-down", "after its pods are back", "unless that would lose data"},
		"rollback: {when: pre-rollback, allowDataLoss: true}": {"job/booking-shiplock-rollback", "before any pod changes, including data loss"},
		"mode: job": {"job/booking-shiplock-down remains after `helm uninstall`"},
	} {
		r := render(t, mergeYAML(t, withURL+"rollback: {policy: down}", values))
		for _, name := range names {
			assert.Contains(t, r.Info.Notes, name, values)
		}
		objects, err := r.Objects()
		require.NoError(t, err)
		for _, o := range objects {
			m, err := meta.Accessor(o)
			require.NoError(t, err)
			if _, isJob := o.(*batchv1.Job); isJob && m.GetAnnotations()["helm.sh/hook"] != "" {
				assert.Contains(t, r.Info.Notes, "job/"+m.GetName(), values)
			}
		}
	}
}
