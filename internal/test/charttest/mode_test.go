package charttest

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
)

// An ordinary Job is immutable: a change of its content changes its name, and other changes do not.
func TestJobName_OrdinaryJob_DependsOnContent(t *testing.T) {
	t.Parallel()
	const values = "mode: job\nimage: " + ownImage + "\ndatabase: {host: db, dbname: booking, username: u, password: p}\n"
	before := job(t, render(t, values), "")
	assert.Regexp(t, "^booking-shiplock-[0-9a-f]{8}$", before.Name)
	for change, other := range map[string]bool{
		"image: {tag: v2}":            true,
		"database: {password: q}":     true,
		"database: {host: db2}":       true,
		"backoffLimit: 3":             true,
		"extraEnv: [{name: A}]":       true,
		"podLabels: {a: b}":           true,
		"commonAnnotations: {a: b}":   false,
		"database: {port: ''}":        false,
		"wait: {resources: {}}":       false,
		"global: {imageRegistry: ''}": false,
	} {
		j := job(t, render(t, mergeYAML(t, values, change)), "")
		assert.Equal(t, other, j.Name != before.Name, change)
		assert.Equal(t, other, !assert.ObjectsAreEqual(before.Spec, j.Spec) || strings.Contains(change, "password"), "%s: the specs", change)
	}
	next, err := Render(chartDir, Options{Values: parse(t, values), Upgrade: true})
	require.NoError(t, err)
	assert.Equal(t, before, job(t, next, ""), "an upgrade does not change the Job")
}

// mergeYAML returns values with changes.
func mergeYAML(t *testing.T, values, change string) string {
	t.Helper()
	return toYAML(t, merge(parse(t, values), parse(t, change)))
}

// The mode determines whether the objects are hooks, and of which kind.
func TestMode_Values_SetHookAnnotations(t *testing.T) {
	t.Parallel()
	hook := map[string]string{"helm.sh/hook": "pre-install,pre-upgrade", "helm.sh/hook-delete-policy": "before-hook-creation"}
	for name, tc := range map[string]struct {
		values  string
		upgrade bool
		want    map[string]string
	}{
		"hook":                             {values: "mode: hook", want: hook},
		"job":                              {values: "mode: job"},
		"job, upgrade":                     {values: "mode: job", upgrade: true},
		"Argo CD":                          {values: "mode: argocd", want: map[string]string{"argocd.argoproj.io/hook": "PreSync", "argocd.argoproj.io/hook-delete-policy": "BeforeHookCreation"}},
		"Argo CD, database of the release": {values: "mode: argocd\ndatabase: {partOfRelease: true}", want: map[string]string{"argocd.argoproj.io/hook": "Sync", "argocd.argoproj.io/hook-delete-policy": "BeforeHookCreation"}},
		"database of the release, install": {values: "database: {partOfRelease: true}"},
		"database of the release, upgrade": {values: "database: {partOfRelease: true}", upgrade: true,
			want: map[string]string{"helm.sh/hook": "pre-upgrade", "helm.sh/hook-delete-policy": "before-hook-creation"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, err := Render(chartDir, Options{Values: parse(t, mergeYAML(t, withURL, tc.values)), Upgrade: tc.upgrade})
			require.NoError(t, err)
			secret, err := Find[*corev1.Secret](r, "")
			require.NoError(t, err)
			j := job(t, r, "")
			assert.Equal(t, secret.Name, migrator(t, j).Env[0].ValueFrom.SecretKeyRef.Name)
			for weight, annotations := range map[string]map[string]string{"0": j.Annotations, "-10": secret.Annotations} {
				got := maps.Clone(annotations)
				delete(got, "helm.sh/hook-output-log-policy")
				for key, value := range annotations {
					if strings.HasSuffix(key, "weight") || strings.HasSuffix(key, "wave") {
						assert.Equal(t, weight, value)
						delete(got, key)
					}
				}
				assert.Equal(t, len(tc.want) > 0, len(got) < len(annotations), "a weight")
				assert.Equal(t, tc.want, got)
			}
			assertValidObjects(t, r)
		})
	}
}

// When the mode changes, or after the first release with its database, Helm creates the new objects before it deletes the previous ones, does
// not adopt objects of hooks, and deletes ordinary objects that have become hooks. The names must therefore differ.
func TestNames_HookAndJob_Differ(t *testing.T) {
	t.Parallel()
	files := map[string]string{"migrations/1_a.up.sql": "", "orders/1_a.up.sql": ""}
	names := map[string][]string{}
	for _, mode := range []string{"hook", "job"} {
		r, err := Render(parent(t, includeShiplock+"\n"+includeOrders, files), Options{Release: "shop", Values: parse(t, "shiplock: {mode: "+mode+"}\norders: {mode: "+mode+"}")})
		require.NoError(t, err)
		assertValidObjects(t, r)
		objects, err := r.Objects()
		require.NoError(t, err)
		require.Len(t, objects, map[string]int{"hook": 8, "job": 10}[mode])
		for _, o := range objects {
			m, err := meta.Accessor(o)
			require.NoError(t, err)
			if o.GetObjectKind().GroupVersionKind().Kind == "Pod" {
				continue // the test is always a hook
			}
			names[mode] = append(names[mode], o.GetObjectKind().GroupVersionKind().Kind+"/"+m.GetName())
		}
		assert.Equal(t, mode == "hook", len(r.Hooks) == 8)
		assert.Equal(t, mode == "job", len(r.Hooks) == 2)
	}
	for _, name := range names["job"] {
		assert.NotContains(t, names["hook"], name)
	}
}

// The name of the ordinary Job depends on the parent chart's files.
func TestMigrationsConfigMap_OrdinaryJob_NameDependsOnFiles(t *testing.T) {
	t.Parallel()
	const template = includeShiplock + `
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: of-the-parent, labels: {app.kubernetes.io/name: shop}}, data: {job: {{ include "shiplock.jobName" (dict "context" . "glob" "migrations/*.sql") }}}}`
	names := func(files map[string]string) (*batchv1.Job, *corev1.ConfigMap) {
		files["orders/1_a.up.sql"] = ""
		r, err := Render(parent(t, template, files), Options{Values: parse(t, "shiplock: {mode: job}\norders: {enabled: false}")})
		require.NoError(t, err)
		j := job(t, r, "")
		cm, err := Find[*corev1.ConfigMap](r, j.Spec.Template.Spec.Volumes[0].ConfigMap.Name)
		require.NoError(t, err)
		delete(files, "orders/1_a.up.sql")
		var keys, want []string
		for key := range cm.Data {
			keys = append(keys, "migrations/"+key)
		}
		keys, want = slices.Sorted(slices.Values(keys)), slices.Sorted(maps.Keys(files))
		assert.Equal(t, want, keys)
		named, err := Find[*corev1.ConfigMap](r, "of-the-parent")
		require.NoError(t, err)
		assert.Equal(t, j.Name, named.Data["job"])
		return j, cm
	}
	first, firstFiles := names(map[string]string{"migrations/1_a.up.sql": "select 1"})
	same, _ := names(map[string]string{"migrations/1_a.up.sql": "select 1"})
	next, nextFiles := names(map[string]string{"migrations/1_a.up.sql": "select 1", "migrations/2_b.up.sql": "select 2"})
	assert.Equal(t, first.Name, same.Name)
	assert.NotEqual(t, first.Name, next.Name)
	assert.NotEqual(t, firstFiles.Name, nextFiles.Name, "a running Job keeps its files")
}
