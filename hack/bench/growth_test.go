package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/hack/bench/result"
	"github.com/shiplock/shiplock/internal/test/pgtest"
)

// growth measures runs without pending migrations, by the number of applied migrations.
func growth(t *testing.T, s scale) result.Figure {
	wall := result.Plot{Name: "growth", Title: "Nothing pending, by number of migrations", X: "migrations applied", Y: "milliseconds", LogX: true, LogY: true}
	table := result.Table{Title: "Wall time; in brackets, times shiplock's", Header: []string{"migrations applied", "shiplock", "shiplock, history read"}}
	for _, tl := range peers(t) {
		wall.Series = append(wall.Series, result.Series{Name: tl.Name})
		if tl.Name != "shiplock" {
			table.Header = append(table.Header, tl.Name)
		}
	}
	const historyRead = "shiplock, history read"
	wall.Series = append(wall.Series, result.Series{Name: historyRead})
	var first, last time.Duration
	for _, n := range s.versions {
		at := map[string]time.Duration{}
		t.Run(fmt.Sprint(n), func(t *testing.T) { // drops the databases at its end
			for name, samples := range idle(t, peers(t), n, s.rounds) {
				at[name] = medianWall(samples)
			}
			at[historyRead] = measureHistoryRead(t, n, s.rounds)
		})
		require.False(t, t.Failed())
		row := []string{fmt.Sprint(n), seconds(at["shiplock"]), cell(at[historyRead], at["shiplock"], seconds)}
		for i := range wall.Series {
			line := &wall.Series[i]
			line.Points = append(line.Points, [2]float64{float64(n), at[line.Name].Seconds() * 1000})
			if line.Name != "shiplock" && line.Name != historyRead {
				row = append(row, cell(at[line.Name], at["shiplock"], seconds))
			}
		}
		table.Rows = append(table.Rows, row)
		if first == 0 {
			first = at["shiplock"]
		}
		last = at["shiplock"]
	}
	n := s.versions[len(s.versions)-1]
	each := (last - first).Seconds() * 1e6 / float64(n-s.versions[0])
	return result.Figure{
		Title: "Growth",
		How: fmt.Sprintf("Runs without pending migrations, after a number of migrations (median of %d). \"History read\" is after a comment of a file was changed. Shiplock then compares all rows of the history table "+
			"(one for each migration) with all files", s.rounds),
		Tables: []result.Table{table}, Plots: []result.Plot{wall},
		Goals: []result.Goal{goal("flat or linear: at most 10 µs per migration", fmt.Sprintf("%.1f µs", each), each <= 10)},
	}
}

// measureHistoryRead returns the median of runs after a comment was changed, which read the history.
func measureHistoryRead(t *testing.T, n, rounds int) time.Duration {
	t.Helper()
	own, d := tools(t)[0], pgtest.New(t)
	dir := own.folder(t, oneTableMigrations(n))
	mustRun(t, own.up(dir, d))
	var samples []sample
	for i := range rounds {
		path := filepath.Join(dir, "00001_x.up.sql")
		text := fmt.Sprintf("-- %d\n%s", i, oneTableMigrations(1)[0].up)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		samples = append(samples, mustRun(t, own.up(dir, d)))
	}
	return medianWall(samples)
}
