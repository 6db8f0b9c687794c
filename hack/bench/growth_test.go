package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/hack/bench/result"
	"github.com/shiplock/shiplock/internal/pgtest"
)

// growth is how a run with nothing to do gets longer as the years pass.
func growth(t *testing.T, s scale) result.Figure {
	wall := result.Plot{Name: "growth", Title: "Nothing pending, as work grows", X: "migrations applied", Y: "milliseconds", LogX: true, LogY: true}
	table := result.Table{Title: "Wall time; in brackets, times shiplock's", Header: []string{"migrations applied", "shiplock", "shiplock, journal read"}}
	for _, tl := range peers(t) {
		wall.Series = append(wall.Series, result.Series{Name: tl.name})
		if tl.name != "shiplock" {
			table.Header = append(table.Header, tl.name)
		}
	}
	const long = "shiplock, journal read"
	wall.Series = append(wall.Series, result.Series{Name: long})
	var first, last time.Duration
	for _, n := range s.versions {
		at := map[string]time.Duration{}
		t.Run(fmt.Sprint(n), func(t *testing.T) { // its databases go with it
			for name, samples := range idle(t, peers(t), n, s.rounds) {
				at[name] = medianWall(samples)
			}
			at[long] = journalRead(t, n, s.rounds)
		})
		require.False(t, t.Failed())
		row := []string{fmt.Sprint(n), seconds(at["shiplock"]), cell(at[long], at["shiplock"], seconds)}
		for i := range wall.Series {
			line := &wall.Series[i]
			line.Points = append(line.Points, [2]float64{float64(n), at[line.Name].Seconds() * 1000})
			if line.Name != "shiplock" && line.Name != long {
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
		Title: "As work grows",
		How: fmt.Sprintf("Runs that find nothing pending, after so many migrations (median of %d). \"Journal read\" is after a comment in a file was changed: all rows of the journal, of which there is one a migration, "+
			"and all files are then compared", s.rounds),
		Tables: []result.Table{table}, Plots: []result.Plot{wall},
		Goals: []result.Goal{goal("flat or linear: at most 10 µs a migration", fmt.Sprintf("%.1f µs", each), each <= 10)},
	}
}

// journalRead is the median of runs that go the long way: a comment is another one each time.
func journalRead(t *testing.T, n, rounds int) time.Duration {
	t.Helper()
	ours, d := tools(t)[0], pgtest.New(t)
	dir := ours.folder(t, flat(n))
	must(t, ours.up(dir, d))
	var samples []sample
	for i := range rounds {
		path := filepath.Join(dir, "00001_x.up.sql")
		text := fmt.Sprintf("-- %d\n%s", i, flat(1)[0].up)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		samples = append(samples, must(t, ours.up(dir, d)))
	}
	return medianWall(samples)
}
