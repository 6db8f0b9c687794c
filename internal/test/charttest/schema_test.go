package charttest

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	valuesschema "github.com/shiplock/shiplock/hack/schema"
	"github.com/shiplock/shiplock/internal/test/fixture"
	"github.com/shiplock/shiplock/internal/test/program"
)

// A schema is the part of JSON Schema that the chart uses.
type schema struct {
	Description          string
	Default              any
	Const                any // the suggestion for a name of another chart; no value is valid
	Properties           map[string]schema
	AdditionalProperties any
}

func (s schema) leaves(prefix string) []string {
	var paths []string
	for name, p := range s.Properties {
		if len(p.Properties) > 0 && name != "global" && prefix+name != "database.existingSecret" {
			paths = append(paths, p.leaves(prefix+name+".")...)
			continue
		}
		if p.Const == nil {
			paths = append(paths, prefix+name)
		}
	}
	slices.Sort(paths)
	return paths
}

func TestSchema_Properties_MatchValues(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(chartDir + "/values.schema.json")
	require.NoError(t, err)
	var s schema
	require.NoError(t, json.Unmarshal(text, &s))
	var values []string
	for _, path := range leaves("", readValues(t, chartDir+"/values.yaml")) {
		// The API server validates these Kubernetes objects.
		for _, object := range []string{"resources", "wait.resources", "podSecurityContext", "securityContext"} {
			if strings.HasPrefix(path, object+".") {
				path = object
			}
		}
		values = append(values, path)
	}
	assert.Equal(t, slices.Compact(values), s.leaves(""))
	s.assertStrict(t, "values")
}

// assertStrict checks that unknown names are refused at every level, except in global.
func (s schema) assertStrict(t *testing.T, path string) {
	t.Helper()
	if len(s.Properties) == 0 || path == "values.global" {
		return
	}
	assert.Equal(t, false, s.AdditionalProperties, path)
	for name, p := range s.Properties {
		p.assertStrict(t, path+"."+name)
	}
}

// The descriptions and defaults, which editors show, are generated from values.yaml.
func TestSchema_Descriptions_MatchValues(t *testing.T) {
	path := chartDir + "/values.schema.json"
	values, err := os.ReadFile(chartDir + "/values.yaml")
	require.NoError(t, err)
	got, err := os.ReadFile(path)
	require.NoError(t, err)
	want, err := valuesschema.Describe(values, got)
	require.NoError(t, err)
	if fixture.Updating() {
		require.NoError(t, os.WriteFile(path, want, 0o644))
		got = want
	}
	assert.Equal(t, string(want), string(got), "go test ./internal/test/charttest -update writes it")

	var s schema
	require.NoError(t, json.Unmarshal(want, &s))
	s.assertDescribed(t, "", readValues(t, chartDir+"/values.yaml"))
}

// assertDescribed checks that each property has a description of one paragraph.
func (s schema) assertDescribed(t *testing.T, prefix string, values map[string]any) {
	t.Helper()
	for name, p := range s.Properties {
		path := prefix + name
		assert.Greater(t, len(p.Description), 10, "%s has no comment in values.yaml", path)
		assert.Regexp(t, `^[^\s#-].*[^\s]$`, p.Description, path)
		assert.NotRegexp(t, `\n|  |--$|^--`, p.Description, path)
		value, known := values[name]
		inner, isMap := value.(map[string]any)
		if len(p.Properties) > 0 && (isMap || !known) {
			p.assertDescribed(t, path+".", inner)
		}
		if known && len(p.Properties) == 0 {
			assert.Equal(t, value, p.Default, path)
		}
	}
}

func TestReadme_Generated_MatchesValues(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, os.DirFS(chartDir)))
	run(t, dir, program.HackTool(t, "helm-docs"), "--sort-values-order", "file")
	want, err := os.ReadFile(dir + "/README.md")
	require.NoError(t, err)
	if fixture.Updating() {
		require.NoError(t, os.WriteFile(chartDir+"/README.md", want, 0o644))
	}
	got, err := os.ReadFile(filepath.Join(chartDir, "README.md"))
	require.NoError(t, err)
	assert.Equal(t, string(want), string(got), "go test ./internal/test/charttest -update writes it")

	for _, path := range leaves("", readValues(t, chartDir+"/values.yaml")) {
		for path != "" && !strings.Contains(string(got), "\n| "+path+" |") {
			path = path[:max(0, strings.LastIndex(path, "."))] // a comment of an object applies to its fields
		}
		_, row, found := strings.Cut(string(got), "\n| "+path+" |")
		require.True(t, found, path)
		row, _, _ = strings.Cut(row, "\n")
		cells := strings.Split(strings.Trim(row, "| "), " | ")
		assert.Greater(t, len(cells[len(cells)-1]), 10, "%s has no comment", path)
	}
}

// The message for a value name of another chart suggests the name in this chart.
func TestSchema_NameOfOtherChart_SuggestsName(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(chartDir + "/values.schema.json")
	require.NoError(t, err)
	var s schema
	require.NoError(t, json.Unmarshal(text, &s))
	found := s.suggestions("")
	assert.Greater(t, len(found), 30)
	for path, message := range found {
		name := strings.TrimSuffix(strings.TrimPrefix(message, "did you mean "), "?")
		require.NotEqual(t, message, name)
		assert.True(t, s.has(name), "%s: the schema has no %s", path, name)
		for _, value := range []any{"", "x", true, map[string]any{}, map[string]any{"a": "b"}} {
			_, err := Render(chartDir, Options{Values: merge(parse(t, withURL), nested(path, value))})
			require.ErrorContains(t, err, "at '/"+strings.ReplaceAll(path, ".", "/")+"': value must be '"+message+"'")
		}
	}
}

// suggestions returns the messages for names of other charts, by path.
func (s schema) suggestions(prefix string) map[string]string {
	found := map[string]string{}
	for name, p := range s.Properties {
		if p.Const != nil {
			found[prefix+name] = p.Const.(string)
		}
		maps.Copy(found, p.suggestions(prefix+name+"."))
	}
	return found
}

func (s schema) has(path string) bool {
	name, rest, deeper := strings.Cut(path, ".")
	p, found := s.Properties[name]
	return found && p.Const == nil && (!deeper || p.has(rest))
}
