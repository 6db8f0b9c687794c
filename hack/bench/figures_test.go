package bench

import (
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/hack/bench/result"
	"github.com/shiplock/shiplock/internal/test/pgtest"
	"github.com/shiplock/shiplock/internal/test/program"
)

// figures has the function of each figure of result.Names. They run one after the other, because they
// share the machine.
var figures = map[string]func(t *testing.T, s scale) result.Figure{
	"apply":           apply,
	"nothing-pending": nothingPending,
	"fifty":           fifty,
	"application":     application,
	"chaos":           chaos,
	"memory":          memory,
	"image":           image,
	"growth":          growth,
	"check":           check,
	"cluster-nothing": clusterNothing,
	"cluster-fifty":   clusterFifty,
}

func TestFigures(t *testing.T) {
	if testing.Short() {
		t.Skip("builds other tools")
	}
	require.NoError(t, limitMemory(0)) // the limit is only for the server
	require.Len(t, figures, len(result.Names))
	if *only != "" {
		require.Containsf(t, figures, *only, "-figure: there are %s", strings.Join(result.Names, ", "))
	}
	s, dir := scaleOf(), *out
	if dir == "" {
		dir = t.TempDir()
	}
	for _, name := range result.Names {
		if *only != "" && *only != name || strings.HasPrefix(name, "cluster-") && !*inCluster && *only != name {
			continue
		}
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			f := figures[name](t, s)
			f.Name, f.Short, f.Machine = name, s.short, machine(t)
			f.Taken, f.Took = start.UTC().Format(time.DateOnly), time.Since(start).Round(time.Second).String()
			if f.Tools == nil {
				f.Tools = versions(t)
			}
			require.NotEmpty(t, f.Goals)
			require.False(t, t.Failed(), "a part of the figure has failed")
			require.NoError(t, result.Save(dir, f))
			for _, g := range f.Goals {
				t.Logf("%s: %s (met: %t)", g.Goal, g.Value, g.Met)
			}
		})
	}
}

func machine(t *testing.T) result.Machine {
	t.Helper()
	return result.Machine{
		Cores: runtime.NumCPU(), Processor: field(t, "/proc/cpuinfo", "model name"), Memory: field(t, "/proc/meminfo", "MemTotal") + " of memory",
		Kernel: program.LastLine(t, "uname", "-r"), Go: runtime.Version(), PostgreSQL: pgtest.New(t).Value(t, "SHOW server_version"),
	}
}

// field returns the value of the first line "name : value" of a file.
func field(t *testing.T, path, name string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	for line := range strings.Lines(string(text)) {
		if key, value, found := strings.Cut(line, ":"); found && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

func versions(t *testing.T) []result.Tool {
	t.Helper()
	var out []result.Tool
	for _, tl := range tools(t) {
		out = append(out, result.Tool{Name: tl.Name, Version: tl.Version})
	}
	return out
}

// TestFigures_Names_AreInPage checks that each figure is in result.Names.
func TestFigures_Names_AreInPage(t *testing.T) {
	for name := range figures {
		require.True(t, slices.Contains(result.Names, name), name)
	}
}
