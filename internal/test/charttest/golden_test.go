package charttest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/test/fixture"
)

func TestRender_Scenarios_MatchGolden(t *testing.T) {
	t.Parallel()
	for name, path := range scenarios(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, err := Render(chartDir, Options{Values: readValues(t, path)})
			require.NoError(t, err)
			fixture.Golden(t, name+".yaml", r.Template())
			fixture.Golden(t, name+".notes.txt", r.Info.Notes)
			_, err = r.Objects()
			require.NoError(t, err)
		})
	}
}

func TestRender_Sample_MatchesGolden(t *testing.T) {
	t.Parallel()
	r, err := Render(sampleDir, Options{})
	require.NoError(t, err)
	fixture.Golden(t, "sample.yaml", r.Template())
	fixture.Golden(t, "sample.notes.txt", r.Info.Notes)
	_, err = r.Objects()
	require.NoError(t, err)
}
