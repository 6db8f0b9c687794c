package bench

import (
	"fmt"
	"testing"
	"time"

	"github.com/shiplock/shiplock/hack/bench/result"
	"github.com/shiplock/shiplock/internal/pgtest"
)

// nothingPending is what most releases find, with very many migrations in the source.
func nothingPending(t *testing.T, s scale) result.Figure {
	rounds := 3 * s.rounds
	samples := idle(t, peers(t), s.pending, rounds)
	wall, cpu, memory := map[string]time.Duration{}, map[string]time.Duration{}, map[string]int64{}
	for name, all := range samples {
		wall[name], cpu[name], memory[name] = medianWall(all), medianCPU(all), maxMemory(all)
	}
	table := result.Table{Title: "In brackets, times shiplock's", Header: []string{"tool", "wall time", "processor time", "peak memory"}}
	for _, tl := range peers(t) {
		table.Rows = append(table.Rows, []string{tl.name, cell(wall[tl.name], wall["shiplock"], seconds),
			cell(cpu[tl.name], cpu["shiplock"], seconds), cell(memory[tl.name], memory["shiplock"], megabytes)})
	}
	f := result.Figure{
		Title:  "Nothing pending",
		How:    fmt.Sprintf("%d migrations in the source, each with its way down, all applied by the tool itself before; the median of %d runs in turn, the peak of memory of all", s.pending, rounds),
		Tables: []result.Table{table},
	}
	limit := goal("wall time at most 50 ms", seconds(wall["shiplock"]), wall["shiplock"] <= 50*time.Millisecond)
	if !limit.Met {
		limit.Note = "most of it is the kernel's open, read and close of each file, on all cores at once; a size or a time instead would not notice every edit (ADR 9)"
	}
	f.Goals = append(f.Goals, limit)
	f.Goals = append(f.Goals, goal("peak memory at most 40 MB", megabytes(memory["shiplock"]), memory["shiplock"] <= 40_000_000))
	best, who := fastest(t, wall)
	g := goal("wall time ahead of every peer", fmt.Sprintf("%s is the fastest peer, %s", who, times(best.Seconds()/wall["shiplock"].Seconds())), wall["shiplock"] < best)
	f.Goals = append(f.Goals, reads(g))
	cheapest, who := fastest(t, cpu)
	f.Goals = append(f.Goals, reads(goal("processor time ahead of every peer", fmt.Sprintf("%s needs the least of the peers, %s", who, times(cheapest.Seconds()/cpu["shiplock"].Seconds())), cpu["shiplock"] < cheapest)))
	least, who := fastest(t, memory)
	g = goal("peak memory below every peer's", fmt.Sprintf("%s has the least of the peers, %s", who, times(float64(least)/float64(memory["shiplock"]))), memory["shiplock"] < least)
	if !g.Met {
		g.Note = "most of it is resident before the first name is read: the program itself, with PostgreSQL's parser and the descriptions of its trees"
	}
	f.Goals = append(f.Goals, g)
	return f
}

// reads says why a goal is missed, if it is.
func reads(g result.Goal) result.Goal {
	if !g.Met {
		g.Note = "who is ahead reads the names of the files alone, and does not notice when one was edited; shiplock reads every byte of each, " +
			"and the kernel's open, read and close of ten thousand files take longer than all that goose does (ADR 9)"
	}
	return g
}

// idle applies n migrations by each tool and measures runs that find nothing to do, in turn.
func idle(t *testing.T, of []*tool, n, rounds int) map[string][]sample {
	type place struct {
		dir string
		d   *pgtest.Database
	}
	places := map[string]place{}
	samples := map[string][]sample{}
	for _, tl := range of {
		p := place{tl.folder(t, flat(n)), pgtest.New(t)}
		must(t, tl.up(p.dir, p.d))
		must(t, tl.up(p.dir, p.d)) // the files are in the cache, and the server's statistics may be
		places[tl.name] = p
	}
	for range rounds {
		for _, tl := range of {
			samples[tl.name] = append(samples[tl.name], must(t, tl.up(places[tl.name].dir, places[tl.name].d)))
		}
	}
	return samples
}

// flat are n migrations that leave no more than one table: ten thousand would be a
// burden of the server's that no tool is the cause of.
func flat(n int) []migration {
	out := []migration{{up: "CREATE TABLE bench_0 (id bigint PRIMARY KEY, name text NOT NULL);\n", down: "DROP TABLE bench_0;\n"}}
	for i := 1; i < n; i++ {
		out = append(out, migration{
			up:   fmt.Sprintf("COMMENT ON TABLE bench_0 IS 'what has been done in step %d of many';\n", i),
			down: "COMMENT ON TABLE bench_0 IS NULL;\n",
		})
	}
	return out
}
