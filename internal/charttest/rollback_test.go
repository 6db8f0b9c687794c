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

// jobRun is when a Job runs, and what it does to a database that is newer.
type jobRun struct{ when, onNewer, mode, dataLoss, revision string }

func runs(t *testing.T, r *Rendered) map[string]jobRun {
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

// What runs when a release goes back, in each mode. Only what comes after an upgrade or a rollback, or before it where that was asked
// for, goes down; an install never does.
func TestRollback_Modes_RunDown(t *testing.T) {
	t.Parallel()
	const main, back, undo = "booking-shiplock", "booking-shiplock-rollback", "booking-shiplock-down"
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
		"after":           {values: "{}", want: map[string]jobRun{main: {hooks, "", "hook", "", "1"}, back: before, undo: after}},
		"after, upgrade":  {values: "{}", upgrade: true, want: map[string]jobRun{main: {hooks, "", "hook", "", "1"}, back: before, undo: after}},
		"after, with loss": {values: "rollback: {allowDataLoss: true}", want: map[string]jobRun{main: {hooks, "", "hook", "", "1"}, back: before,
			undo: {after.when, "down", "post-rollback", "true", ""}}},
		"before": {values: "rollback: {when: pre-rollback}", want: map[string]jobRun{main: {hooks, "", "hook", "", "1"},
			back: {"pre-rollback", "down", "pre-rollback", "", ""}}},
		"before, upgrade": {values: "rollback: {when: pre-rollback, allowDataLoss: true}", upgrade: true, want: map[string]jobRun{
			main: {hooks, "down", "hook", "true", "1"}, back: {"pre-rollback", "down", "pre-rollback", "true", ""}}},
		"Argo CD":         {values: "mode: argocd", want: map[string]jobRun{main: {"PreSync", "", "argocd", "", ""}, undo: {"PostSync", "down", "post-rollback", "", ""}}},
		"Argo CD, before": {values: "mode: argocd\nrollback: {when: pre-rollback}", want: map[string]jobRun{main: {"PreSync", "down", "argocd", "", ""}}},
		"its database": {values: "database: {partOfRelease: true}", upgrade: true, want: map[string]jobRun{
			main: {"pre-upgrade", "", "hook", "", "1"}, back: before, undo: after}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			values := merges(t, withURL+"rollback: {policy: down}", tc.values)
			r, err := Render(chartDir, Options{Values: parse(t, values), Upgrade: tc.upgrade})
			require.NoError(t, err)
			assert.Equal(t, tc.want, runs(t, r))
			objectsAreValid(t, r)
		})
	}
}

// Beside an ordinary Job the hook is the one that undoes: it comes after the release, and finds the release's own objects.
func TestRollback_OrdinaryJobs_UseReleaseObjects(t *testing.T) {
	t.Parallel()
	const down = "rollback: {policy: down}\nkubernetesEvents: {enabled: true}\n"
	for _, values := range []string{"mode: job", "database: {partOfRelease: true}"} {
		r := render(t, merges(t, withURL+down, values))
		jobs := runs(t, r)
		require.Len(t, jobs, 2)
		assert.Equal(t, jobRun{"post-rollback,post-upgrade", "down", "post-rollback", "", ""}, jobs["booking-shiplock-down"])
		delete(jobs, "booking-shiplock-down")
		for _, ordinary := range jobs {
			assert.Equal(t, jobRun{mode: "job"}, ordinary)
		}
		undo := job(t, r, "booking-shiplock-down")
		assert.Nil(t, undo.Spec.TTLSecondsAfterFinished, "Helm 3 takes a vanished hook for a success")
		secret, err := Find[*corev1.Secret](r, migrator(t, undo).Env[0].ValueFrom.SecretKeyRef.Name)
		require.NoError(t, err)
		assert.Empty(t, secret.Annotations)
		_, err = Find[*corev1.ServiceAccount](r, undo.Spec.Template.Spec.ServiceAccountName)
		require.NoError(t, err)
	}
	long, err := Render(chartDir, Options{Release: strings.Repeat("r", 53), Values: parse(t, withURL+down)})
	require.NoError(t, err)
	objectsAreValid(t, long)
}

// All that the Jobs of a rollback need is made anew before them: what is there is the newer release's.
func TestRollback_RequiredObjects_AreRecreated(t *testing.T) {
	t.Parallel()
	const values = "rollback: {policy: down}\nkubernetesEvents: {enabled: true}\nnetworkPolicy: {enabled: true}\n"
	dir := parent(t, ofShiplock, map[string]string{"migrations/1_a.up.sql": ""})
	r, err := Render(dir, Options{Values: map[string]any{"shiplock": parse(t, values), "orders": map[string]any{"enabled": false}}})
	require.NoError(t, err)
	objectsAreValid(t, r)
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
	undo := job(t, r, "booking-shiplock-down").Spec.Template.Spec
	assert.Equal(t, job(t, r, "booking-shiplock").Spec.Template.Spec.Volumes, undo.Volumes)
	isRestricted(t, "undo", undo)
}

// The files of the parent and an ordinary Job: the parent makes the hook, too, for it alone knows the ConfigMap's name. And pods that migrate.
func TestRollback_ParentFilesAndPods_RunDown(t *testing.T) {
	t.Parallel()
	const down = "rollback: {policy: down}\n"
	r, err := Render(parent(t, ofShiplock, map[string]string{"migrations/1_a.up.sql": ""}),
		Options{Values: map[string]any{"shiplock": parse(t, down+"mode: job"), "orders": map[string]any{"enabled": false}}})
	require.NoError(t, err)
	undo := job(t, r, "booking-shiplock-down")
	_, err = Find[*corev1.ConfigMap](r, undo.Spec.Template.Spec.Volumes[0].ConfigMap.Name)
	require.NoError(t, err)

	r, err = Render(app(t, "initContainer", ""), Options{Values: map[string]any{"shiplock": parse(t, withURL+down+"mode: initContainer"),
		"orders": map[string]any{"enabled": false}, "stockKeeping": map[string]any{"enabled": false}}})
	require.NoError(t, err)
	assert.Equal(t, map[string]jobRun{"booking-shiplock-down": {"post-rollback,post-upgrade", "down", "post-rollback", "", ""}}, runs(t, r))
	secret, err := Find[*corev1.Secret](r, "")
	require.NoError(t, err)
	assert.Equal(t, secret.Name, migrator(t, job(t, r, "")).Env[0].ValueFrom.SecretKeyRef.Name)
	pod, err := inPods(t, "initContainer", "", fromSecret+down+"mode: initContainer")
	require.NoError(t, err)
	for _, v := range pod.InitContainers[0].Env {
		assert.NotEqual(t, "SHIPLOCK_ON_NEWER", v.Name, "a pod of the old version that starts again would undo what is being rolled out")
	}
	gate, err := inPods(t, "waitForMigrations", "", fromSecret+down)
	require.NoError(t, err)
	for _, v := range gate.InitContainers[0].Env {
		assert.NotEqual(t, "SHIPLOCK_ON_NEWER", v.Name, "the old pods would wait for the hook that waits for them")
	}
}

// All hooks of a rollback are in the notes' list of what an uninstall leaves.
func TestNotes_Rollback_ListJobs(t *testing.T) {
	t.Parallel()
	for values, names := range map[string][]string{
		"mode: hook": {"job/booking-shiplock-rollback", "job/booking-shiplock-down", "after its pods are back", "unless that would lose data"},
		"rollback: {when: pre-rollback, allowDataLoss: true}": {"job/booking-shiplock-rollback", "before any pod changes, including data loss"},
		"mode: job": {"job/booking-shiplock-down remains after `helm uninstall`"},
	} {
		r := render(t, merges(t, withURL+"rollback: {policy: down}", values))
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
