package charttest

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func assertGolden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
		return
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err, "go test ./internal/test/charttest -update writes it")
	assert.Equal(t, string(want), got, "go test ./internal/test/charttest -update accepts the change")
}

func TestRender_Scenarios_MatchGolden(t *testing.T) {
	t.Parallel()
	for name, path := range scenarios(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, err := Render(chartDir, Options{Values: readValues(t, path)})
			require.NoError(t, err)
			assertGolden(t, name+".yaml", r.Template())
			assertGolden(t, name+".notes.txt", r.Info.Notes)
			_, err = r.Objects()
			require.NoError(t, err)
		})
	}
}

func TestRender_Sample_MatchesGolden(t *testing.T) {
	t.Parallel()
	r, err := Render(sampleDir, Options{})
	require.NoError(t, err)
	assertGolden(t, "sample.yaml", r.Template())
	assertGolden(t, "sample.notes.txt", r.Info.Notes)
	_, err = r.Objects()
	require.NoError(t, err)
}
