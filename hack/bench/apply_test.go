package bench

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/hack/bench/result"
	"github.com/shiplock/shiplock/internal/pgtest"
)

// apply is many small migrations on an empty database, near and far.
func apply(t *testing.T, s scale) result.Figure {
	n := s.migrations
	f := result.Figure{
		Title: "Applying small migrations",
		How: fmt.Sprintf("%d migrations of one `CREATE TABLE` each on an empty database: on loopback (median of %d, in turn), and with so much of a round trip added by a proxy (from 20 ms on all tools at once: they only wait); "+
			"start of the program included, and shown by itself in `image`. psql is one process that reads a file after the other, a transaction each: it keeps no version, no journal and no lock, "+
			"and is the server's own limit", n, s.rounds),
	}
	near := applyNear(t, s)
	trips := map[string]float64{}
	far := map[time.Duration]map[string]time.Duration{}
	for _, tl := range tools(t) {
		trips[tl.name] = tripsEach(t, tl)
	}
	for _, delay := range s.delays {
		far[delay] = applyFar(t, n, delay)
	}

	header := []string{"tool", "loopback"}
	plot := result.Plot{Name: "apply", Title: fmt.Sprintf("%d small migrations", n), X: "round trip added (ms)", Y: "seconds", LogY: true}
	for _, delay := range s.delays {
		header = append(header, fmt.Sprintf("%s of round trip", delay))
	}
	table := result.Table{Header: append(header, "round trips a migration")}
	for _, tl := range tools(t) {
		row := []string{tl.name, cell(near[tl.name], near["psql"], seconds)}
		line := result.Series{Name: tl.name, Points: [][2]float64{{0, near[tl.name].Seconds()}}}
		for _, delay := range s.delays {
			row = append(row, cell(far[delay][tl.name], far[delay]["shiplock"], seconds))
			line.Points = append(line.Points, [2]float64{delay.Seconds() * 1000, far[delay][tl.name].Seconds()})
		}
		table.Rows = append(table.Rows, append(row, fmt.Sprintf("%.2f", trips[tl.name])))
		plot.Series = append(plot.Series, line)
	}
	table.Title = "Wall time; in brackets, on loopback times psql's, elsewhere times shiplock's"
	f.Tables, f.Plots = []result.Table{table}, []result.Plot{plot}

	ratio := near["shiplock"].Seconds() / near["psql"].Seconds()
	f.Goals = append(f.Goals, counts(goal("loopback: at most 1.1 × psql", times(ratio), ratio <= 1.1)))
	best, who := fastest(t, near)
	f.Goals = append(f.Goals, counts(goal("loopback: ahead of every peer", fmt.Sprintf("%s is the fastest peer, %s", who, times(best.Seconds()/near["shiplock"].Seconds())), near["shiplock"] < best)))
	if at, measured := far[5*time.Millisecond]; measured {
		ratio := at["golang-migrate"].Seconds() / at["shiplock"].Seconds()
		f.Goals = append(f.Goals, goal("5 ms: at least 3 × faster than golang-migrate", times(ratio), ratio >= 3))
	}
	f.Goals = append(f.Goals, goal("at most 2.1 round trips a migration", fmt.Sprintf("%.2f", trips["shiplock"]), trips["shiplock"] <= 2.1))
	return f
}

// counts says why a goal on loopback is missed, if it is.
func counts(g result.Goal) result.Goal {
	if !g.Met {
		g.Note = "with each migration shiplock also commits a row of the journal (its SQL, the way down, a checksum), sees whether it still has the lock, and puts the session's " +
			"settings back. psql does nothing of that, a peer writes a version; for the server that is work, which saves round trips only where one takes longer"
	}
	return g
}

func goal(text, value string, met bool) result.Goal {
	return result.Goal{Goal: text, Value: value, Met: met}
}

// fastest is the best of the peers.
func fastest[V int64 | time.Duration](t *testing.T, of map[string]V) (best V, who string) {
	for _, tl := range peers(t)[1:] {
		if v := of[tl.name]; who == "" || v < best {
			best, who = v, tl.name
		}
	}
	return best, who
}

// applyNear measures on loopback, the tools in turn, so that what disturbs one disturbs all.
func applyNear(t *testing.T, s scale) map[string]time.Duration {
	samples := map[string][]sample{}
	for range s.rounds {
		for _, tl := range tools(t) {
			t.Run(tl.name, func(t *testing.T) {
				d := pgtest.New(t)
				samples[tl.name] = append(samples[tl.name], must(t, tl.up(tl.folder(t, small(s.migrations)), d)))
				there(t, d, s.migrations, tl.name)
			})
		}
	}
	out := map[string]time.Duration{}
	for name, all := range samples {
		out[name] = medianWall(all)
	}
	return out
}

// together is from which delay on the tools run at the same time: they only wait
// then, for minutes if it is one after the other.
const together = 20 * time.Millisecond

// applyFar measures through a proxy, with so much of a round trip added.
func applyFar(t *testing.T, n int, delay time.Duration) map[string]time.Duration {
	var mu sync.Mutex
	out := map[string]time.Duration{}
	t.Run(delay.String(), func(t *testing.T) {
		for _, tl := range tools(t) {
			t.Run(tl.name, func(t *testing.T) {
				if delay >= together {
					t.Parallel()
				}
				took, _ := applied(t, tl, n, delay)
				mu.Lock()
				defer mu.Unlock()
				out[tl.name] = took
			})
		}
	})
	require.Len(t, out, len(tools(t)), "a tool has failed")
	return out
}

// applied is one run through a proxy: how long it took, and how often it has waited for the server.
func applied(t *testing.T, tl *tool, n int, delay time.Duration) (took time.Duration, trips int) {
	t.Helper()
	d := pgtest.New(t)
	far, proxy := d.Proxied(t, delay/2) // each way
	took = must(t, tl.up(tl.folder(t, small(n)), far)).wall
	there(t, d, n, tl.name)
	return took, proxy.RoundTrips()
}

// tripsEach is what a migration more costs in round trips.
func tripsEach(t *testing.T, tl *tool) (each float64) {
	const few, many = 10, 60
	t.Run("round trips of "+tl.name, func(t *testing.T) {
		_, base := applied(t, tl, few, 0)
		_, more := applied(t, tl, many, 0)
		each = float64(more-base) / (many - few)
	})
	require.Positive(t, each, "%s has failed", tl.name)
	return each
}
