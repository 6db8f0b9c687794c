package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/hack/bench/result"
)

const benchmarks = "../../../docs/benchmarks"

// TestPage_RawResults_MatchREADME checks that the page has the raw results, and that no plot is missing.
func TestPage_RawResults_MatchREADME(t *testing.T) {
	figures, err := result.Load(filepath.Join(benchmarks, "raw"), result.Names)
	require.NoError(t, err)
	text, err := os.ReadFile(filepath.Join(benchmarks, "README.md"))
	require.NoError(t, err)
	assert.Equal(t, page(figures), string(text), "hack/bench/page.sh writes it")
	for _, f := range figures {
		for _, p := range f.Plots {
			_, err := os.Stat(filepath.Join(benchmarks, p.Name+".svg"))
			assert.NoError(t, err)
		}
	}
}

func TestWrite_Figures_HaveSections(t *testing.T) {
	dir := t.TempDir()
	raw := filepath.Join(dir, "raw")
	for _, f := range []result.Figure{
		{Name: "memory", Title: "Memory", How: "How it is done", Taken: "2026-01-02", Took: "3s", Tools: []result.Tool{{Name: "a", Version: "1"}},
			Goals:  []result.Goal{{Goal: "at most 1 MB", Value: "2 MB", Note: "It cannot be met because of reasons"}},
			Tables: []result.Table{{Title: "A table", Header: []string{"x", "y"}, Rows: [][]string{{"1", "2"}}}},
			Plots:  []result.Plot{{Name: "picture", Title: "A picture"}}},
		{Name: "apply", Short: true, Goals: []result.Goal{{Goal: "fast", Value: "very", Met: true}}},
	} {
		require.NoError(t, result.Save(raw, f))
	}
	require.NoError(t, write(dir))
	text, err := os.ReadFile(filepath.Join(dir, "README.md"))
	require.NoError(t, err)
	for _, want := range []string{
		"| [apply](#apply) | fast | very | yes (short run) |\n| [memory](#memory) | at most 1 MB | 2 MB | **no** |\n",
		"## memory\n\nMemory. How it is done.\n", `Goal "at most 1 MB", measured: 2 MB. It cannot be met because of reasons.`,
		"**A table**\n\n| x | y |\n| --- | --- |\n| 1 | 2 |\n", "![A picture](picture.svg)", "`make bench FIGURE=memory`, 2026-01-02, in 3s, on ", " a 1.\n",
	} {
		assert.Contains(t, string(text), want)
	}
	require.NoError(t, os.WriteFile(filepath.Join(raw, "wrong.json"), []byte(`{"name": "wrong"}`), 0o600))
	assert.ErrorContains(t, write(dir), `holds figure "wrong"; there are: apply,`)
}
