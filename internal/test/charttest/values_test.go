package charttest

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// leaves returns the paths of all values, including empty maps and lists.
func leaves(prefix string, values map[string]any) []string {
	var paths []string
	for name, v := range values {
		if m, ok := v.(map[string]any); ok && len(m) > 0 {
			paths = append(paths, leaves(prefix+name+".", m)...)
			continue
		}
		paths = append(paths, prefix+name)
	}
	slices.Sort(paths)
	return paths
}

func TestValues_Each_ChangesOutput(t *testing.T) {
	t.Parallel()
	before := map[string]string{}
	for _, path := range leaves("", readValues(t, chartDir+"/values.yaml")) {
		if path == "migrations.fromChart" || strings.HasPrefix(path, "wait.") {
			continue // require a parent chart: TestMigrationsConfigMap_Files_ArePreserved, TestWaitForMigrations_Values_RenderContainer
		}
		change, ok := changes[path]
		require.True(t, ok, "changes has no entry for %s", path)
		on := base
		if path == "database.existingSecret" || strings.HasPrefix(path, "database.secretKeys.") {
			on = baseSecret
		} else if strings.HasPrefix(path, "tool.") {
			on = baseExternalTool
		} else if slices.Contains([]string{"notify", "kubernetesEvents", "prometheusRule", "networkPolicy"}, strings.Split(path, ".")[0]) {
			on = baseNotifications
		} else if strings.HasPrefix(path, "rollback.") { // only policy: down uses when
			on = base + "rollback: {policy: down, allowDataLoss: true}\n"
		} else if path == "ttlSecondsAfterFinished" { // only for ordinary Jobs
			on = base + "mode: job\n"
		} else if path == "nativeSidecar" { // only with sidecarInjection
			on = base + "sidecarInjection: true\n"
		}
		if before[on] == "" {
			before[on] = render(t, on).Template()
		}
		r := render(t, mergeYAML(t, on, change))
		assert.NotEqual(t, before[on], r.Template(), "%s has no effect", path)
		if path != "enabled" {
			_, err := r.Objects()
			require.NoError(t, err, path)
		}
	}
}

// null removes a default. The schema reports required values; other values are treated as empty.
func TestValues_Null_RendersOrReports(t *testing.T) {
	t.Parallel()
	values := readValues(t, chartDir+"/values.yaml")
	for _, path := range branches("", values) {
		if path == "database.url" || path == "image.tag" {
			continue // then the database or image is not configured: TestValidation_InvalidValues_AreRefused
		}
		change := map[string]any{}
		at, names := change, strings.Split(path, ".")
		for _, name := range names[:len(names)-1] {
			next := map[string]any{}
			at[name], at = next, next
		}
		last := names[len(names)-1]
		at[last] = nil
		r, err := Render(chartDir, Options{Values: merge(parse(t, withURL), change)})
		if err != nil {
			assert.ErrorContains(t, err, "missing property '"+last+"'", path)
			continue
		}
		_, err = r.Objects()
		assert.NoError(t, err, path)
	}
}

// branches returns the paths of all values and of the maps that contain them.
func branches(prefix string, values map[string]any) []string {
	var paths []string
	for name, v := range values {
		paths = append(paths, prefix+name)
		if m, ok := v.(map[string]any); ok {
			paths = append(paths, branches(prefix+name+".", m)...)
		}
	}
	slices.Sort(paths)
	return paths
}

func merge(into, from map[string]any) map[string]any {
	for k, v := range from {
		a, isMap := into[k].(map[string]any)
		b, alsoMap := v.(map[string]any)
		if isMap && alsoMap {
			v = merge(a, b)
		}
		into[k] = v
	}
	return into
}
