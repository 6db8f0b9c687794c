package charttest

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// changes has, for each value of the chart, values that differ from base in that one alone.
var changes = map[string]string{
	"enabled":                                  "enabled: false",
	"nameOverride":                             "nameOverride: a",
	"fullnameOverride":                         "fullnameOverride: a",
	"global":                                   "global: {imageRegistry: a}",
	"image.registry":                           "image: {registry: a}",
	"image.repository":                         "image: {repository: a}",
	"image.tag":                                "image: {tag: a}",
	"image.digest":                             "image: {digest: 'sha256:" + digest + "'}",
	"image.pullPolicy":                         "image: {pullPolicy: Never}",
	"imagePullSecrets":                         "imagePullSecrets: [a]",
	"database.url":                             "database: {url: a, host: '', name: '', user: '', password: ''}",
	"database.host":                            "database: {host: a}",
	"database.port":                            "database: {port: 1}",
	"database.name":                            "database: {name: a}",
	"database.user":                            "database: {user: a}",
	"database.password":                        "database: {password: a}",
	"database.sslMode":                         "database: {sslMode: require}",
	"database.ca.secretName":                   "database: {ca: {secretName: a, configMapName: ''}}",
	"database.ca.configMapName":                "database: {ca: {configMapName: a}}",
	"database.ca.key":                          "database: {ca: {key: a}}",
	"database.existingSecret.name":             "database: {user: '', existingSecret: {name: a, keys: {user: b}}}",
	"database.existingSecret.keys.url":         "database: {host: '', name: '', user: '', password: '', existingSecret: {name: a, keys: {url: b}}}",
	"database.existingSecret.keys.host":        "database: {host: '', existingSecret: {name: a, keys: {host: b}}}",
	"database.existingSecret.keys.port":        "database: {existingSecret: {name: a, keys: {port: b}}}",
	"database.existingSecret.keys.name":        "database: {name: '', existingSecret: {name: a, keys: {name: b}}}",
	"database.existingSecret.keys.user":        "database: {user: '', existingSecret: {name: a, keys: {user: b}}}",
	"database.existingSecret.keys.password":    "database: {password: '', existingSecret: {name: a, keys: {password: b}}}",
	"migrations.path":                          "migrations: {path: /a}",
	"migrations.existingConfigMap":             "migrations: {existingConfigMap: a, image: {repository: ''}}",
	"migrations.image.registry":                "migrations: {image: {registry: a}}",
	"migrations.image.repository":              "migrations: {image: {repository: a}}",
	"migrations.image.tag":                     "migrations: {image: {tag: a}}",
	"migrations.image.digest":                  "migrations: {image: {digest: 'sha256:" + digest + "'}}",
	"migrations.image.pullPolicy":              "migrations: {image: {pullPolicy: Never}}",
	"migrations.image.subPath":                 "migrations: {image: {subPath: a}}",
	"table":                                    "table: a",
	"waitForDatabase":                          "waitForDatabase: 1s",
	"lockWait":                                 "lockWait: 1m1s",
	"timeout":                                  "timeout: 239",
	"activeDeadlineSeconds":                    "activeDeadlineSeconds: 300",
	"backoffLimit":                             "backoffLimit: 0",
	"terminationGracePeriodSeconds":            "terminationGracePeriodSeconds: 5",
	"logFormat":                                "logFormat: json",
	"logLevel":                                 "logLevel: debug",
	"extraArgs":                                "extraArgs: [-v]",
	"extraEnv":                                 "extraEnv: [{name: A, value: b}]",
	"extraEnvFrom":                             "extraEnvFrom: [{configMapRef: {name: a}}]",
	"extraVolumes":                             "extraVolumes: [{name: a, emptyDir: {}}]",
	"extraVolumeMounts":                        "extraVolumeMounts: [{name: a, mountPath: /a}]",
	"resources.requests.cpu":                   "resources: {requests: {cpu: 1}}",
	"resources.requests.memory":                "resources: {requests: {memory: 1Gi}}",
	"resources.limits.memory":                  "resources: {limits: {memory: 1Gi}}",
	"serviceAccountName":                       "serviceAccountName: a",
	"automountServiceAccountToken":             "automountServiceAccountToken: true",
	"podSecurityContext.runAsNonRoot":          "podSecurityContext: {runAsNonRoot: false}",
	"podSecurityContext.runAsUser":             "podSecurityContext: {runAsUser: 1}",
	"podSecurityContext.runAsGroup":            "podSecurityContext: {runAsGroup: 1}",
	"podSecurityContext.seccompProfile.type":   "podSecurityContext: {seccompProfile: {type: Unconfined}}",
	"securityContext.allowPrivilegeEscalation": "securityContext: {allowPrivilegeEscalation: true}",
	"securityContext.readOnlyRootFilesystem":   "securityContext: {readOnlyRootFilesystem: false}",
	"securityContext.capabilities.drop":        "securityContext: {capabilities: {drop: []}}",
	"sidecarInjection":                         "sidecarInjection: true",
	"labels":                                   "labels: {a: b}",
	"annotations":                              "annotations: {a: b}",
	"podLabels":                                "podLabels: {a: b}",
	"podAnnotations":                           "podAnnotations: {a: b}",
	"nodeSelector":                             "nodeSelector: {a: b}",
	"tolerations":                              "tolerations: [{operator: Exists}]",
	"affinity":                                 "affinity: {podAffinity: {}}",
	"priorityClassName":                        "priorityClassName: a",
}

const digest = "0f3dd3e0b9bfbb41a3e3f9a9d6ac6b1f1a2a1f3a5d7c9e0b2d4f6a8c0e1b3d5f"

// base is where one changed value shows: a database by parts with a CA bundle, and migrations from an image.
const base = `
database: {host: base, name: base, user: base, password: base, ca: {configMapName: base}}
migrations: {image: {repository: base, tag: base}}
`

// leaves lists the paths of all values; an empty map or list is one.
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

func TestEveryValueIsUsed(t *testing.T) {
	t.Parallel()
	want := render(t, base).Template()
	for _, path := range leaves("", readValues(t, chartDir+"/values.yaml")) {
		if path == "migrations.parentConfigMap" {
			continue // needs a parent chart: TestParentConfigMap
		}
		change, ok := changes[path]
		require.True(t, ok, "no change of %s is tested", path)
		r, err := Render(chartDir, Options{Values: merge(parse(t, base), parse(t, change))})
		require.NoError(t, err, path)
		assert.NotEqual(t, want, r.Template(), "%s has no effect", path)
		if path != "enabled" {
			_, err = r.Objects()
			require.NoError(t, err, path)
		}
	}
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

// schema is the part of JSON Schema that ours uses.
type schema struct {
	Properties           map[string]schema
	AdditionalProperties any
}

func (s schema) leaves(prefix string) []string {
	var paths []string
	for name, p := range s.Properties {
		if len(p.Properties) > 0 && name != "global" {
			paths = append(paths, p.leaves(prefix+name+".")...)
			continue
		}
		paths = append(paths, prefix+name)
	}
	slices.Sort(paths)
	return paths
}

func TestSchemaKnowsTheValuesAndNoOthers(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(chartDir + "/values.schema.json")
	require.NoError(t, err)
	var s schema
	require.NoError(t, json.Unmarshal(text, &s))
	var values []string
	for _, path := range leaves("", readValues(t, chartDir+"/values.yaml")) {
		// These are Kubernetes' own objects; the API server knows their fields.
		for _, object := range []string{"resources", "podSecurityContext", "securityContext"} {
			if strings.HasPrefix(path, object+".") {
				path = object
			}
		}
		values = append(values, path)
	}
	assert.Equal(t, slices.Compact(values), s.leaves(""))
	s.isStrict(t, "values")
}

// isStrict checks that a misspelt name is refused at every level; other charts' globals are none of ours.
func (s schema) isStrict(t *testing.T, path string) {
	t.Helper()
	if len(s.Properties) == 0 || path == "values.global" {
		return
	}
	assert.Equal(t, false, s.AdditionalProperties, path)
	for name, p := range s.Properties {
		p.isStrict(t, path+"."+name)
	}
}

func TestReadmeIsGenerated(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, os.DirFS(chartDir)))
	run(t, dir, tool(t, "helm-docs"), "--sort-values-order", "file")
	want, err := os.ReadFile(dir + "/README.md")
	require.NoError(t, err)
	if *update {
		require.NoError(t, os.WriteFile(chartDir+"/README.md", want, 0o644))
	}
	got, err := os.ReadFile(filepath.Join(chartDir, "README.md"))
	require.NoError(t, err)
	assert.Equal(t, string(want), string(got), "go test ./internal/charttest -update writes it")

	for _, path := range leaves("", readValues(t, chartDir+"/values.yaml")) {
		for path != "" && !strings.Contains(string(got), "\n| "+path+" |") {
			path = path[:max(0, strings.LastIndex(path, "."))] // an object's comment tells of its fields
		}
		_, row, found := strings.Cut(string(got), "\n| "+path+" |")
		require.True(t, found, path)
		row, _, _ = strings.Cut(row, "\n")
		cells := strings.Split(strings.Trim(row, "| "), " | ")
		assert.Greater(t, len(cells[len(cells)-1]), 10, "%s has no comment", path)
	}
}
