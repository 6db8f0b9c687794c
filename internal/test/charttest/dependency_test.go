package charttest

import (
	"os/exec"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	batchv1 "k8s.io/api/batch/v1"

	"github.com/shiplock/shiplock/internal/test/fixture"
	"github.com/shiplock/shiplock/internal/test/program"
)

// dependent is the Chart.yaml of a parent chart that depends on the chart by name and by alias.
const dependent = `
apiVersion: v2
name: shop
version: 1.0.0
dependencies:
  - {name: shiplock, version: 0.1.x, repository: "REPOSITORY"}
  - {name: shiplock, version: 0.1.x, repository: "REPOSITORY", alias: orders}
`

// A message contains the path of the value in the values of the release, and the template that validates it.
func TestValidation_Dependency_ReportsParentPath(t *testing.T) {
	t.Parallel()
	const good = "{database: {url: x}, image: " + ownImage + "}"
	chart := fixture.FileMap(t, map[string]string{"Chart.yaml": withRepository(t, dependent)})
	above := fixture.FileMap(t, map[string]string{"Chart.yaml": "{apiVersion: v2, name: town, version: 1.0.0, dependencies: [{name: shop, version: 1.0.0, alias: hotel, repository: 'file://" + chart + "'}]}"})
	for values, want := range map[string]string{
		"{}":                                  "set orders.database.url, or orders.database.host, dbname, username and password, or orders.database.existingSecret and orders.database.secretKeys",
		"{database: {host: h, dbname: shop}}": "set orders.database.username, or, for an existing Secret, orders.database.secretKeys.username",
		"{database: {url: x}}":                "Set orders.image.repository and orders.image.tag to an image that contains your migrations",
		"{database: {url: x, passwordFile: /p, existingSecret: {name: s, keys: {password: p}}}}": "the password is set by orders.database.existingSecret.keys.password and by orders.database.passwordFile",
		"{database: {url: x}, image: {repository: a}}":                                           "orders.image.repository is set, but neither orders.image.tag nor orders.image.digest",
		"{database: {url: x}, migrations: {image: {repository: a}}}":                             "orders.migrations.image.repository is set, but neither orders.migrations.image.tag",
		"{database: {url: x}, image: {tag: v1}, timeout: 300s}":                                  "orders.timeout (300s) must be below orders.activeDeadlineSeconds (270)",
		"{database: {url: x}, image: {tag: v1}, lockWait: 250s}":                                 "orders.lockWait (250s) must not be above orders.timeout (240s)",
		"{database: {url: x}, image: {tag: v1}, tool: {command: [a]}}":                           "require orders.tool.image.repository: set it",
		"{database: {url: x}, image: {tag: v1}, commonAnnotations: {helm.sh/a: b}}":              "orders.commonAnnotations must not contain",
		"{database: {url: x}, image: {tag: v1}, rollback: {allowDataLoss: true}}":                "Set orders.rollback.policy=down",
		"{database: {url: x}, image: {tag: v1}, notify: {webhook: {format: slack}}}":             "set orders.notify.webhook.url",
	} {
		orders := parse(t, "orders: "+values)["orders"]
		all := map[string]any{"shiplock": parse(t, "a: "+good)["a"], "orders": orders}
		_, err := Render(chart, Options{Values: all})
		require.ErrorContains(t, err, want, values)
		require.ErrorContains(t, err, "shop/charts/orders/templates/validate.yaml", values)
	}
	_, err := Render(above, Options{Values: parse(t, "hotel: {shiplock: "+good+", orders: {}}")})
	require.ErrorContains(t, err, "set hotel.orders.database.url, or hotel.orders.database.host")
	_, err = Render(chartDir, Options{})
	require.ErrorContains(t, err, "shiplock/templates/validate.yaml")
	require.ErrorContains(t, err, "set database.url, or database.host")
}

// All charts of a release share global: the chart ignores fields of unknown types.
func TestGlobal_UnknownTypes_AreIgnored(t *testing.T) {
	t.Parallel()
	parent := fixture.FileMap(t, map[string]string{"Chart.yaml": withRepository(t, dependent)})
	for global, want := range map[string]struct {
		image   string
		secrets []string
	}{
		"null": {"shop/migrations:v1", []string{"own"}},
		"{}":   {"shop/migrations:v1", []string{"own"}},
		"{imageRegistry: null, imagePullSecrets: null}":                                      {"shop/migrations:v1", []string{"own"}},
		"{imageRegistry: r.io, imagePullSecrets: [a, {name: b}]}":                            {"r.io/shop/migrations:v1", []string{"a", "b", "own"}},
		"{imagePullSecrets: a}":                                                              {"shop/migrations:v1", []string{"a", "own"}},
		"{imagePullSecrets: {name: a, create: true}}":                                        {"shop/migrations:v1", []string{"a", "own"}},
		"{imagePullSecrets: {a: {enabled: true}}}":                                           {"shop/migrations:v1", []string{"own"}},
		"{imagePullSecrets: [{name: a, namespace: b}, {}, null, 5, '']}":                     {"shop/migrations:v1", []string{"a", "own"}},
		"{imagePullSecrets: 5}":                                                              {"shop/migrations:v1", []string{"own"}},
		"{imageRegistry: {url: r.io, insecure: true}}":                                       {"shop/migrations:v1", []string{"own"}},
		"{imageRegistry: [r.io]}":                                                            {"shop/migrations:v1", []string{"own"}},
		"{image: {registry: r.io, tag: v9}, database: {host: h}, enabled: false, mode: job}": {"shop/migrations:v1", []string{"own"}},
	} {
		values := "{database: {url: x}, image: " + ownImage + ", imagePullSecrets: [own]}"
		for name, dir := range map[string]string{"booking-shiplock": chartDir, "booking-orders": parent} {
			text := "global: " + global + "\nshiplock: " + values + "\norders: " + values
			if dir == chartDir {
				text = "global: " + global + "\ndatabase: {url: x}\nimage: " + ownImage + "\nimagePullSecrets: [own]"
			}
			r, err := Render(dir, Options{Values: parse(t, text)})
			require.NoError(t, err, global)
			j, err := Find[*batchv1.Job](r, name)
			require.NoError(t, err, global)
			assert.Equal(t, want.image, migrator(t, j).Image, global)
			var secrets []string
			for _, s := range j.Spec.Template.Spec.ImagePullSecrets {
				secrets = append(secrets, s.Name)
			}
			assert.Equal(t, want.secrets, secrets, global)
		}
	}
}

// Migrations can be disabled in a chart with a wait container: without a condition, or with a condition and an "if" around the include.
func TestEnabled_False_WaitContainerRendersNothing(t *testing.T) {
	t.Parallel()
	const include = `{{- include "shiplock.waitForMigrations" (dict "context" .) | nindent 2 }}`
	const volumes = `{{- include "shiplock.podVolumes" (dict "context" .) | nindent 2 }}`
	for name, tc := range map[string]struct{ condition, template string }{
		"no condition":     {"", include + volumes},
		"condition and if": {", condition: shiplock.enabled", "{{- if .Values.shiplock.enabled }}" + include + volumes + "{{- end }}"},
		"if alone":         {"", "{{- if .Values.shiplock.enabled }}" + include + volumes + "{{- end }}"},
	} {
		chart := fixture.FileMap(t, map[string]string{
			"Chart.yaml":           "{apiVersion: v2, name: shop, version: 1.0.0, dependencies: [{name: shiplock, version: 0.1.x" + tc.condition + "}]}",
			"values.yaml":          "shiplock: {database: {existingSecret: {name: s, keys: {url: u}}}, image: " + ownImage + "}",
			"templates/cm.yaml":    "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: app}\ndata: {}\nx:\n" + tc.template + "\n",
			"charts/shiplock/keep": "",
		})
		run(t, ".", "cp", "-r", chartDir+"/.", chart+"/charts/shiplock")
		for _, helm := range []string{"helm3", "helm4"} {
			for _, enabled := range []string{"true", "false"} {
				t.Run(name+"/"+helm+"/"+enabled, func(t *testing.T) {
					t.Parallel()
					output, err := exec.Command(program.HackTool(t, helm), "template", "shop", chart, "--kube-version", KubeVersion, "--set", "shiplock.enabled="+enabled).CombinedOutput()
					require.NoError(t, err, "%s", output)
					for _, text := range []string{"name: shiplock-wait-for-migrations", "kind: Job"} {
						if enabled == "true" {
							assert.Contains(t, string(output), text)
						} else {
							assert.NotContains(t, string(output), text)
						}
					}
				})
			}
		}
	}
}
