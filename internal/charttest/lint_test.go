package charttest

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chartutil"
)

// Linting is "helm lint --strict" with each scenario's values.
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
				// A picture would have to be fetched from somewhere; a chart that runs a Job needs none.
				assert.Equal(t, "[INFO] Chart.yaml: icon is recommended", m.Error())
			}
		})
	}
}
