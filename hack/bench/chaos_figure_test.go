package bench

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/hack/bench/result"
)

// chaos runs internal/test/faultinjection and returns two tables of its report: the failed rounds, and the outcomes. With
// zero rounds it reads the last report.
func chaos(t *testing.T, s scale) result.Figure {
	path := filepath.Join("..", "..", "docs", "background", "fault-injection.md")
	how := "The last report of `make chaos`"
	if s.faultRounds > 0 {
		path = filepath.Join(t.TempDir(), "fault-injection.md")
		how = fmt.Sprintf("%d rounds for each tool of `internal/test/faultinjection`, which `make chaos` runs with more rounds and in full detail", s.faultRounds)
		cmd := exec.Command("go", "test", "-count=1", "-timeout", "2h", "-run", "TestUp_InjectedFault_Recovers", "../../internal/test/faultinjection",
			"-rounds", fmt.Sprint(s.faultRounds), "-mixed", "-tools", "shiplock,golang-migrate,goose", "-report", path)
		output, err := cmd.CombinedOutput()
		require.NoErrorf(t, err, "%s", output)
	}
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	bad, all := tableUnder(t, string(text), "## Failed rounds by fault"), tableUnder(t, string(text), "## Outcomes of all rounds")
	total := bad.Rows[len(bad.Rows)-1]
	require.Equal(t, "all", total[0])
	return result.Figure{
		Title:  "Fault injection",
		How:    how + ". The first table has the failed rounds, of those whose fault came before the end of the run, and the second one the outcomes of all rounds",
		Tools:  []result.Tool{}, // the tables' headers have them
		Tables: []result.Table{bad, all},
		Goals:  []result.Goal{goal("dirty, applied twice or not applied: 0", total[1], strings.HasPrefix(total[1], "0 of "))},
	}
}

var row = regexp.MustCompile(`(?m)^\| (.*) \|$`)

// tableUnder returns the first Markdown table below a heading.
func tableUnder(t *testing.T, text, heading string) result.Table {
	t.Helper()
	_, rest, found := strings.Cut(text, heading)
	require.Truef(t, found, "no %q", heading)
	_, rest, found = strings.Cut(rest, "\n| ")
	require.True(t, found)
	rest, _, _ = strings.Cut("| "+rest, "\n\n")
	var table result.Table
	for _, m := range row.FindAllStringSubmatch(rest, -1) {
		cells := strings.Split(m[1], " | ")
		if table.Header == nil {
			table.Header = cells
		} else {
			table.Rows = append(table.Rows, cells)
		}
	}
	require.NotEmpty(t, table.Rows)
	return table
}
