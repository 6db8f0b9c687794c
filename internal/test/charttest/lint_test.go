package charttest

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chartutil"
)

// The lint is "helm lint --strict" with the values of each scenario.
func TestLint_Scenarios_NoMessages(t *testing.T) {
	t.Parallel()
	version, err := chartutil.ParseKubeVersion(KubeVersion)
	require.NoError(t, err)
	for name, path := range scenarios(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lint := action.NewLint()
			lint.Strict = true
			lint.KubeVersion = version
			result := lint.Run([]string{chartDir}, readValues(t, path))
			assert.Equal(t, 1, result.TotalChartsLinted)
			assert.Empty(t, result.Errors)
			for _, m := range result.Messages {
				// The chart has no icon.
				assert.Equal(t, "[INFO] Chart.yaml: icon is recommended", m.Error())
			}
		})
	}
}
