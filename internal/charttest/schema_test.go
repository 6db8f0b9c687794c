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
		for _, object := range []string{"resources", "gate.resources", "podSecurityContext", "securityContext"} {
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
