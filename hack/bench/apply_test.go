package bench

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/hack/bench/result"
	"github.com/shiplock/shiplock/internal/test/pgtest"
)

// apply measures many small migrations on an empty database, with and without latency.
func apply(t *testing.T, s scale) result.Figure {
	n := s.migrations
	f := result.Figure{
		Title: "Small migrations",
		How: fmt.Sprintf("%d migrations of one `CREATE TABLE` each on an empty database: on loopback (median of %d, the tools in turn), and with a latency that a proxy adds to each round trip. From 20 ms, all tools run at the same time, because they mostly wait. "+
			"The time includes the start of the program, which the figure `image` has separately. psql is one process that runs each file in a transaction. It has no version table, history or lock, "+
			"and shows the server's own limit", n, s.rounds),
	}
	near := applyNear(t, s)
	trips := map[string]float64{}
	far := map[time.Duration]map[string]time.Duration{}
	for _, tl := range tools(t) {
		trips[tl.Name] = tripsEach(t, tl)
	}
	for _, delay := range s.delays {
		far[delay] = applyFar(t, n, delay)
	}

	header := []string{"tool", "loopback"}
	plot := result.Plot{Name: "apply", Title: fmt.Sprintf("%d small migrations", n), X: "round trip added (ms)", Y: "seconds", LogY: true}
	for _, delay := range s.delays {
		header = append(header, fmt.Sprintf("%s of round trip", delay))
	}
	table := result.Table{Header: append(header, "round trips per migration")}
	for _, tl := range tools(t) {
		row := []string{tl.Name, cell(near[tl.Name], near["psql"], seconds)}
		line := result.Series{Name: tl.Name, Points: [][2]float64{{0, near[tl.Name].Seconds()}}}
		for _, delay := range s.delays {
			row = append(row, cell(far[delay][tl.Name], far[delay]["shiplock"], seconds))
			line.Points = append(line.Points, [2]float64{delay.Seconds() * 1000, far[delay][tl.Name].Seconds()})
		}
		table.Rows = append(table.Rows, append(row, fmt.Sprintf("%.2f", trips[tl.Name])))
		plot.Series = append(plot.Series, line)
	}
	table.Title = "Wall time; in brackets, on loopback times psql's, elsewhere times shiplock's"
	f.Tables, f.Plots = []result.Table{table}, []result.Plot{plot}

	ratio := near["shiplock"].Seconds() / near["psql"].Seconds()
	f.Goals = append(f.Goals, loopbackNote(goal("loopback: at most 1.1 × psql", times(ratio), ratio <= 1.1)))
	best, name := fastest(t, near)
	f.Goals = append(f.Goals, loopbackNote(goal("loopback: faster than every other tool", fmt.Sprintf("%s is the fastest of the other tools, %s", name, times(best.Seconds()/near["shiplock"].Seconds())), near["shiplock"] < best)))
	if at, measured := far[5*time.Millisecond]; measured {
		ratio := at["golang-migrate"].Seconds() / at["shiplock"].Seconds()
		f.Goals = append(f.Goals, goal("5 ms: at least 3 × faster than golang-migrate", times(ratio), ratio >= 3))
	}
	f.Goals = append(f.Goals, goal("at most 2.1 round trips per migration", fmt.Sprintf("%.2f", trips["shiplock"]), trips["shiplock"] <= 2.1))
	return f
}

// loopbackNote adds the reason to a goal on loopback that is not met.
func loopbackNote(g result.Goal) result.Goal {
	if !g.Met {
		g.Note = "with each migration, shiplock also commits a history row (its SQL, the down script, a checksum), checks that it holds the lock, and resets the session. " +
			"psql does none of this, and the other tools only write a version. The server spends time on it, and fewer round trips save time only with a higher latency"
	}
	return g
}

func goal(text, value string, met bool) result.Goal {
	return result.Goal{Goal: text, Value: value, Met: met}
}

// fastest returns the lowest value of the other tools, and the tool's name.
func fastest[V int64 | time.Duration](t *testing.T, of map[string]V) (best V, name string) {
	for _, tl := range peers(t)[1:] {
		if v := of[tl.Name]; name == "" || v < best {
			best, name = v, tl.Name
		}
	}
	return best, name
}

// applyNear measures on loopback, with the tools in turn, so that other load affects all tools equally.
func applyNear(t *testing.T, s scale) map[string]time.Duration {
	samples := map[string][]sample{}
	for range s.rounds {
		for _, tl := range tools(t) {
			t.Run(tl.Name, func(t *testing.T) {
				d := pgtest.New(t)
				samples[tl.Name] = append(samples[tl.Name], mustRun(t, tl.up(tl.folder(t, smallMigrations(s.migrations)), d)))
				checkTables(t, d, s.migrations, tl.Name)
			})
		}
	}
	out := map[string]time.Duration{}
	for name, all := range samples {
		out[name] = medianWall(all)
	}
	return out
}

// concurrentFrom is the delay from which the tools run at the same time, because they mostly wait.
const concurrentFrom = 20 * time.Millisecond

// applyFar measures through a proxy that adds delay to each round trip.
func applyFar(t *testing.T, n int, delay time.Duration) map[string]time.Duration {
	var mu sync.Mutex
	out := map[string]time.Duration{}
	t.Run(delay.String(), func(t *testing.T) {
		for _, tl := range tools(t) {
			t.Run(tl.Name, func(t *testing.T) {
				if delay >= concurrentFrom {
					t.Parallel()
				}
				took, _ := applied(t, tl, n, delay)
				mu.Lock()
				defer mu.Unlock()
				out[tl.Name] = took
			})
		}
	})
	require.Len(t, out, len(tools(t)), "a tool has failed")
	return out
}

// applied measures one run through a proxy. It returns its duration and its number of round trips.
func applied(t *testing.T, tl *tool, n int, delay time.Duration) (took time.Duration, trips int) {
	t.Helper()
	d := pgtest.New(t)
	far, proxy := d.Proxied(t, delay/2) // in each direction
	took = mustRun(t, tl.up(tl.folder(t, smallMigrations(n)), far)).wall
	checkTables(t, d, n, tl.Name)
	return took, proxy.RoundTrips()
}

// tripsEach returns the number of round trips of each additional migration.
func tripsEach(t *testing.T, tl *tool) (each float64) {
	const few, many = 10, 60
	t.Run("round trips of "+tl.Name, func(t *testing.T) {
		_, base := applied(t, tl, few, 0)
		_, more := applied(t, tl, many, 0)
		each = float64(more-base) / (many - few)
	})
	require.Positive(t, each, "%s has failed", tl.Name)
	return each
}
