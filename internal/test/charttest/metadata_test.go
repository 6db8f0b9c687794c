package charttest

import (
	"os"
	"strings"
	"testing"

	"github.com/Masterminds/semver/v3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The rules of chart-testing for Chart.yaml, except that the maintainers are a team and not GitHub accounts.
func TestMetadata_ChartYAML_IsComplete(t *testing.T) {
	t.Parallel()
	c, err := Load(chartDir)
	require.NoError(t, err)
	m := c.Metadata
	require.NoError(t, m.Validate())
	version, err := semver.StrictNewVersion(m.Version)
	require.NoError(t, err)
	assert.Equal(t, version.String(), m.AppVersion, "chart and image share one version")
	assert.NotEmpty(t, m.Description)
	assert.NotEmpty(t, m.KubeVersion)
	assert.NotEmpty(t, m.Sources)
	assert.False(t, m.Deprecated)
	require.NotEmpty(t, m.Maintainers)
	for _, maintainer := range m.Maintainers {
		assert.NotEmpty(t, maintainer.Name)
		assert.True(t, maintainer.Email != "" || maintainer.URL != "", "%s cannot be reached", maintainer.Name)
	}
}

// Yamale, which `ct lint` runs and which may not be installed, rejects a key of Chart.yaml that chart_schema.yaml does not list.
func TestMetadata_ChartYAML_MatchesYamaleSchema(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../../chart_schema.yaml")
	require.NoError(t, err)
	root, _, _ := strings.Cut(string(text), "\n---\n")
	rules := parse(t, root)
	for _, dir := range []string{chartDir, sampleDir} {
		metadata := readValues(t, dir+"/Chart.yaml")
		for key := range metadata {
			assert.Contains(t, rules, key, dir)
		}
		if dir != chartDir {
			continue // the sample has no home and no maintainers
		}
		for key, rule := range rules {
			if !strings.Contains(rule.(string), "required=False") {
				assert.Contains(t, metadata, key)
			}
		}
	}
}
