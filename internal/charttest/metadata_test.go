package charttest

import (
	"testing"

	"github.com/Masterminds/semver/v3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What chart-testing asks of Chart.yaml, but for the maintainers' accounts on a forge: they are a team.
func TestChartMetadata(t *testing.T) {
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
