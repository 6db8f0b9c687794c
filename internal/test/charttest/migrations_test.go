package charttest

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"github.com/shiplock/shiplock/internal/test/fixture"
)

// withRepository replaces REPOSITORY with the directory of the chart.
func withRepository(t *testing.T, chartYAML string) string {
	t.Helper()
	dir, err := filepath.Abs(chartDir)
	require.NoError(t, err)
	return strings.ReplaceAll(chartYAML, "REPOSITORY", "file://"+dir)
}

// parent creates a parent chart whose template includes ConfigMaps with its own files for two of its dependencies.
func parent(t *testing.T, template string, files map[string]string) string {
	t.Helper()
	all := map[string]string{
		"Chart.yaml":                withRepository(t, aliases),
		"values.yaml":               "shiplock: {migrations: {fromChart: true}, database: {url: first}}\norders: {migrations: {fromChart: true}, database: {url: second}}\nstockKeeping: {enabled: false}\n",
		"templates/migrations.yaml": template,
	}
	for name, content := range files {
		all[name] = content
	}
	return fixture.FileMap(t, all)
}

const (
	includeShiplock = `{{ include "shiplock.migrationsConfigMap" (dict "context" . "glob" "migrations/*.sql") }}`
	includeOrders   = `{{ include "shiplock.migrationsConfigMap" (dict "context" . "glob" "orders/*.sql" "alias" "orders") }}`
)

func TestMigrationsConfigMap_Files_ArePreserved(t *testing.T) {
	t.Parallel()
	files := map[string]string{
		"migrations/1_a.up.sql":   "create table a (b int);\n",
		"migrations/1_a.down.sql": "",
		"migrations/2_b.up.sql":   "-- windows \ufeff\r\nselect '\t{{ .Values }} $(X) ü';  \r\n\r\n\n",
		"migrations/3_c.up.sql":   "select 'caf\xe9'; -- Latin-1\n",
		"migrations/README.md":    "not a migration",
		"orders/1_a.up.sql":       "   indented: yes\n# no comment\n",
	}
	for _, release := range []string{"shop", "shiplock", strings.Repeat("r", 53)} {
		r, err := Render(parent(t, includeShiplock+"\n"+includeOrders, files), Options{Release: release})
		require.NoError(t, err)
		assertValidObjects(t, r)
		mounted := map[string]map[string]string{}
		for _, url := range []string{"first", "second"} {
			mounted[url] = mountedFiles(t, r, url)
		}
		want := map[string]string{}
		for name, content := range files {
			if strings.HasPrefix(name, "migrations/") && strings.HasSuffix(name, ".sql") {
				want[filepath.Base(name)] = content
			}
		}
		assert.Equal(t, want, mounted["first"])
		assert.Equal(t, map[string]string{"1_a.up.sql": files["orders/1_a.up.sql"]}, mounted["second"])
	}
}

// mountedFiles returns the files in the migrations directory of the Job that connects to url.
func mountedFiles(t *testing.T, r *Rendered, url string) map[string]string {
	t.Helper()
	objects, err := r.Objects()
	require.NoError(t, err)
	name := ""
	for _, o := range objects {
		if s, ok := o.(*corev1.Secret); ok && string(s.Data["url"]) == url {
			name = s.Name
		}
	}
	j := job(t, r, name)
	require.Len(t, j.Spec.Template.Spec.Volumes, 1)
	require.Equal(t, []corev1.VolumeMount{{Name: "migrations", MountPath: "/migrations", ReadOnly: true}}, migrator(t, j).VolumeMounts)
	cm, err := Find[*corev1.ConfigMap](r, j.Spec.Template.Spec.Volumes[0].ConfigMap.Name)
	require.NoError(t, err)
	assert.Equal(t, "-10", cm.Annotations["helm.sh/hook-weight"])
	assert.Equal(t, "pre-install,pre-upgrade", cm.Annotations["helm.sh/hook"])
	files := map[string]string{}
	for k, v := range cm.Data {
		files[k] = v
	}
	for k, v := range cm.BinaryData {
		files[k] = string(v)
	}
	return files
}

func TestMigrationsConfigMap_Invalid_IsRefused(t *testing.T) {
	t.Parallel()
	one := map[string]string{"migrations/1_a.up.sql": "select 1"}
	for name, tc := range map[string]struct {
		template, values, want string
		files                  map[string]string
	}{
		"no match":         {template: includeShiplock, want: `no file of chart "shop" matches "migrations/*.sql": the glob is relative to the chart's directory`},
		"same name":        {template: strings.Replace(includeShiplock, "*.sql", "**.sql", 1), files: map[string]string{"migrations/a/1_a.up.sql": "", "migrations/b/1_a.up.sql": ""}, want: "migrations/a/1_a.up.sql and migrations/b/1_a.up.sql have the same name"},
		"bad name":         {template: includeShiplock, files: map[string]string{"migrations/1 a.up.sql": ""}, want: "migrations/1 a.up.sql cannot be the key of a ConfigMap"},
		"too large":        {template: includeShiplock, files: map[string]string{"migrations/1_a.up.sql": strings.Repeat("x", 1<<20), "migrations/2_b.up.sql": "y"}, want: `the files that match "migrations/*.sql" have 1048577 bytes, and the limit of a ConfigMap is 1048576: build them into the migrator's image`},
		"unknown alias":    {template: strings.Replace(includeOrders, `"alias" "orders"`, `"alias" "order"`, 1), files: one, want: `chart "shop" has no dependency named "order"`},
		"no glob":          {template: `{{ include "shiplock.migrationsConfigMap" (dict "context" .) }}`, files: one, want: `shiplock.migrationsConfigMap requires "glob"`},
		"fromChart false":  {template: includeShiplock, files: one, values: "shiplock: {image: {tag: v1}, migrations: {fromChart: false}}", want: "its migrations would not run: set shiplock.migrations.fromChart=true"},
		"unknown job name": {template: `a: {{ include "shiplock.jobName" (dict "context" . "alias" "order") }}`, want: `shiplock.jobName: chart "shop" has no dependency named "order": pass its name or alias`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Render(parent(t, tc.template, tc.files), Options{Values: parse(t, tc.values)})
			require.ErrorContains(t, err, tc.want)
		})
	}
}

func TestMigrationsConfigMap_Disabled_RendersNothing(t *testing.T) {
	t.Parallel()
	for _, values := range []string{"shiplock: {enabled: false}", "orders: {enabled: false}"} {
		r, err := Render(parent(t, includeShiplock+"\n"+includeOrders, map[string]string{"migrations/1_a.up.sql": "", "orders/1_a.up.sql": ""}), Options{Values: parse(t, values)})
		require.NoError(t, err)
		objects, err := r.Objects()
		require.NoError(t, err)
		assert.Len(t, objects, 4, "the Job, Secret, ConfigMap and test of the other: %s", values)
	}
}

// The chart accepts images and mounts that may contain migrations.
func TestMigrations_PossibleSources_AreAccepted(t *testing.T) {
	t.Parallel()
	for _, values := range []string{
		"image: {tag: v2}",
		"image: {digest: 'sha256:" + strings.Repeat("0", 64) + "'}",
		"migrations: {existingConfigMap: m}",
		"migrations: {image: {repository: m, tag: v2}}",
		"extraVolumes: [{name: m, emptyDir: {}}]\nextraVolumeMounts: [{name: m, mountPath: /migrations}]",
		"extraVolumeMounts: [{name: m, mountPath: /migrations/1_a.up.sql, subPath: a}]",
		"extraVolumeMounts: [{name: m, mountPath: /srv}]\nmigrations: {path: /srv/sql}",
		"extraArgs: [--source=/srv]",
		"tool: {image: {repository: a, tag: b}, command: [c]}",
		"enabled: false",
	} {
		_, err := Render(chartDir, Options{Values: parse(t, "database: {url: x}\n"+values)})
		assert.NoError(t, err, values)
	}
}
