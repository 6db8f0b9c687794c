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

// chaos lets internal/chaos strike, and takes the two tables of its report that
// count what did not end well. Without strikes it reads the last report.
func chaos(t *testing.T, s scale) result.Figure {
	path := filepath.Join("..", "..", "docs", "background", "fault-injection.md")
	how := "The last report of `make chaos`"
	if s.strikes > 0 {
		path = filepath.Join(t.TempDir(), "fault-injection.md")
		how = fmt.Sprintf("%d rounds for each tool of `internal/chaos`, which `make chaos` does with more and with all details", s.strikes)
		cmd := exec.Command("go", "test", "-count=1", "-timeout", "2h", "-run", "TestUp_InjectedFault_Recovers", "../../internal/chaos",
			"-rounds", fmt.Sprint(s.strikes), "-mixed", "-tools", "shiplock,golang-migrate,goose", "-report", path)
		said, err := cmd.CombinedOutput()
		require.NoErrorf(t, err, "%s", said)
	}
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	bad, all := tableUnder(t, string(text), "## Failed rounds by fault"), tableUnder(t, string(text), "## Outcomes of all rounds")
	total := bad.Rows[len(bad.Rows)-1]
	require.Equal(t, "all", total[0])
	return result.Figure{
		Title:  "Killed at random",
		How:    how + ". Rounds that did not end well, of those that were struck before they ended; then what became of all",
		Tools:  []result.Tool{}, // the tables' heads have them
		Tables: []result.Table{bad, all},
		Goals:  []result.Goal{goal("dirty, doubled or lost: 0", total[1], strings.HasPrefix(total[1], "0 of "))},
	}
}

var row = regexp.MustCompile(`(?m)^\| (.*) \|$`)

// tableUnder is the first Markdown table below a heading.
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
