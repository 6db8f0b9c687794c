package charttest

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/shiplock/shiplock/internal/test/fixture"
)

func TestNames_Releases_FitLimit(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 52)
	for name, tc := range map[string]struct{ release, values, want string }{
		"plain":                         {"booking", "", "booking-shiplock"},
		"release with the chart's name": {"shiplock", "", "shiplock"},
		"longest that fits":             {long[:43], "", long[:43] + "-shiplock"},
		"too long":                      {long[:44], "", long[:43] + "-aeeba64c"},
		"longest release":               {long + "b", "", long[:43] + "-5756aab2"},
		"another longest release":       {long + "c", "", long[:43] + "-38953dc7"},
		"dots":                          {"a.b", "", "a-b-shiplock-a85e7066"},
		"name":                          {"booking", "nameOverride: schema", "booking-schema"},
		"full name":                     {"booking", "fullnameOverride: schema", "schema"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, err := Render(chartDir, Options{Release: tc.release, Values: parse(t, withURL+tc.values)})
			require.NoError(t, err)
			assert.Equal(t, tc.want, job(t, r, "").Name)
			assertValidObjects(t, r)
		})
	}
}

// assertValidObjects validates names and labels like the API server. The name of a Job is also a label of its pods.
func assertValidObjects(t *testing.T, r *Rendered) {
	t.Helper()
	objects, err := r.Objects()
	require.NoError(t, err)
	require.NotEmpty(t, objects)
	for _, o := range objects {
		m, err := meta.Accessor(o)
		require.NoError(t, err)
		assert.Empty(t, validation.IsDNS1123Label(m.GetName()), m.GetName())
		for k, v := range m.GetLabels() {
			assert.Empty(t, validation.IsQualifiedName(k), k)
			assert.Empty(t, validation.IsValidLabelValue(v), "%s: %s", k, v)
		}
		for _, k := range []string{"name", "instance", "version", "component", "managed-by"} {
			assert.NotEmpty(t, m.GetLabels()["app.kubernetes.io/"+k], k)
		}
	}
}

// aliases is the Chart.yaml of a parent chart with three dependencies on the chart: one by name and two by alias.
const aliases = `apiVersion: v2
name: shop
version: 1.0.0
dependencies:
  - {name: shiplock, version: 0.1.x, repository: "REPOSITORY", condition: shiplock.enabled}
  - {name: shiplock, version: 0.1.x, repository: "REPOSITORY", alias: orders}
  - {name: shiplock, version: 0.1.x, repository: "REPOSITORY", alias: stockKeeping}
`

const aliasValues = `
shiplock: {image: ` + ownImage + `, database: {url: 'postgres://db/shop'}}
orders: {image: ` + ownImage + `, database: {url: 'postgres://db/orders'}}
stockKeeping: {image: ` + ownImage + `, database: {url: 'postgres://db/stock'}}
`

func TestNames_Aliases_Differ(t *testing.T) {
	t.Parallel()
	dir := fixture.FileMap(t, map[string]string{"Chart.yaml": withRepository(t, aliases), "values.yaml": aliasValues})
	for _, release := range []string{"booking", "orders", "shiplock", strings.Repeat("r", 53)} {
		r, err := Render(dir, Options{Release: release})
		require.NoError(t, err)
		assertValidObjects(t, r)
		objects, err := Normalize(r.Template()) // fails for two objects with the same name
		require.NoError(t, err)
		assert.Len(t, objects, 9, "a Job, a Secret and a test for each dependency")
	}
	r, err := Render(dir, Options{Release: "orders"})
	require.NoError(t, err)
	for name, url := range map[string]string{
		"orders-shiplock":              "postgres://db/shop",
		"orders-orders":                "postgres://db/orders",
		"orders-stockkeeping-924b7dd7": "postgres://db/stock",
	} {
		secret, err := Find[*corev1.Secret](r, name)
		require.NoError(t, err)
		assert.Equal(t, url, string(secret.Data["url"]))
		assert.Equal(t, name, migrator(t, job(t, r, name)).Env[0].ValueFrom.SecretKeyRef.Name)
	}
}

func TestEnabled_False_RendersNothing(t *testing.T) {
	t.Parallel()
	dir := fixture.FileMap(t, map[string]string{"Chart.yaml": withRepository(t, aliases), "values.yaml": aliasValues})
	r, err := Render(dir, Options{Values: parse(t, "shiplock: {enabled: false}\norders: {enabled: false}")})
	require.NoError(t, err)
	objects, err := r.Objects()
	require.NoError(t, err)
	assert.Len(t, objects, 3, "only stockKeeping remains")
}

// Two charts of an umbrella chart that depend on the chart must not share a Job or Secret.
func TestNames_Umbrella_Differ(t *testing.T) {
	t.Parallel()
	app := func(name string) string {
		return withRepository(t, "apiVersion: v2\nname: "+name+"\nversion: 1.0.0\ndependencies: [{name: shiplock, version: 0.1.x, repository: 'REPOSITORY'}]\n")
	}
	dir := fixture.FileMap(t, map[string]string{
		"Chart.yaml": `{apiVersion: v2, name: town, version: 1.0.0, dependencies: [
			{name: hotel, version: 1.0.0, repository: file://hotel}, {name: harbour, version: 1.0.0, repository: file://harbour}]}`,
		"hotel/Chart.yaml":    app("hotel"),
		"hotel/values.yaml":   "shiplock: {image: " + ownImage + ", database: {url: 'postgres://db/hotel'}}",
		"harbour/Chart.yaml":  app("harbour"),
		"harbour/values.yaml": "shiplock: {image: " + ownImage + ", database: {url: 'postgres://db/harbour'}}",
	})
	r, err := Render(dir, Options{Release: "town"})
	require.NoError(t, err)
	assertValidObjects(t, r)
	for _, name := range []string{"hotel", "harbour"} {
		secret, err := Find[*corev1.Secret](r, "town-"+name+"-shiplock")
		require.NoError(t, err)
		assert.Equal(t, "postgres://db/"+name, string(secret.Data["url"]))
	}
}
