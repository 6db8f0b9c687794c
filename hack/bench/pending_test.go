package bench

import (
	"fmt"
	"testing"
	"time"

	"github.com/shiplock/shiplock/hack/bench/result"
	"github.com/shiplock/shiplock/internal/test/pgtest"
)

// nothingPending measures runs without pending migrations, with very many migrations in the source.
func nothingPending(t *testing.T, s scale) result.Figure {
	rounds := 3 * s.rounds
	samples := idle(t, peers(t), s.pending, rounds)
	wall, cpu, memory := map[string]time.Duration{}, map[string]time.Duration{}, map[string]int64{}
	for name, all := range samples {
		wall[name], cpu[name], memory[name] = medianWall(all), medianCPU(all), maxMemory(all)
	}
	table := result.Table{Title: "In brackets, times shiplock's", Header: []string{"tool", "wall time", "processor time", "peak memory"}}
	for _, tl := range peers(t) {
		table.Rows = append(table.Rows, []string{tl.Name, cell(wall[tl.Name], wall["shiplock"], seconds),
			cell(cpu[tl.Name], cpu["shiplock"], seconds), cell(memory[tl.Name], memory["shiplock"], megabytes)})
	}
	f := result.Figure{
		Title:  "Nothing pending",
		How:    fmt.Sprintf("%d migrations in the source, each with a down script, all applied by the tool before. The median of %d runs in turn, and the peak memory of all", s.pending, rounds),
		Tables: []result.Table{table},
	}
	limit := goal("wall time at most 50 ms", seconds(wall["shiplock"]), wall["shiplock"] <= 50*time.Millisecond)
	if !limit.Met {
		limit.Note = "most of it is the kernel's open, read and close of each file, on all cores. A comparison of sizes or times would not detect every change (ADR 9)"
	}
	f.Goals = append(f.Goals, limit)
	f.Goals = append(f.Goals, goal("peak memory at most 40 MB", megabytes(memory["shiplock"]), memory["shiplock"] <= 40_000_000))
	best, name := fastest(t, wall)
	g := goal("wall time below every other tool's", fmt.Sprintf("%s is the fastest of the other tools, %s", name, times(best.Seconds()/wall["shiplock"].Seconds())), wall["shiplock"] < best)
	f.Goals = append(f.Goals, readNote(g))
	cheapest, name := fastest(t, cpu)
	f.Goals = append(f.Goals, readNote(goal("processor time below every other tool's", fmt.Sprintf("%s needs the least of the other tools, %s", name, times(cheapest.Seconds()/cpu["shiplock"].Seconds())), cpu["shiplock"] < cheapest)))
	least, name := fastest(t, memory)
	g = goal("peak memory below every other tool's", fmt.Sprintf("%s needs the least of the other tools, %s", name, times(float64(least)/float64(memory["shiplock"]))), memory["shiplock"] < least)
	if !g.Met {
		g.Note = "most of it is resident before the first name is read: the program itself, with PostgreSQL's parser and the descriptions of its parse trees"
	}
	f.Goals = append(f.Goals, g)
	return f
}

// readNote adds the reason to a goal that is not met.
func readNote(g result.Goal) result.Goal {
	if !g.Met {
		g.Note = "the faster tool reads only the names of the files and does not detect a changed file. Shiplock reads every byte, " +
			"and the kernel's open, read and close of ten thousand files take longer than a whole run of goose (ADR 9)"
	}
	return g
}

// idle applies n migrations with each tool and measures runs without pending migrations, in turn.
func idle(t *testing.T, of []*tool, n, rounds int) map[string][]sample {
	type setup struct {
		dir string
		d   *pgtest.Database
	}
	setups := map[string]setup{}
	samples := map[string][]sample{}
	for _, tl := range of {
		p := setup{tl.folder(t, oneTableMigrations(n)), pgtest.New(t)}
		mustRun(t, tl.up(p.dir, p.d))
		mustRun(t, tl.up(p.dir, p.d)) // fills the caches of the files and the server
		setups[tl.Name] = p
	}
	for range rounds {
		for _, tl := range of {
			samples[tl.Name] = append(samples[tl.Name], mustRun(t, tl.up(setups[tl.Name].dir, setups[tl.Name].d)))
		}
	}
	return samples
}

// oneTableMigrations returns n migrations that create one table in total, because ten thousand tables would slow the server
// for all tools.
func oneTableMigrations(n int) []migration {
	out := []migration{{up: "CREATE TABLE bench_0 (id bigint PRIMARY KEY, name text NOT NULL);\n", down: "DROP TABLE bench_0;\n"}}
	for i := 1; i < n; i++ {
		out = append(out, migration{
			up:   fmt.Sprintf("COMMENT ON TABLE bench_0 IS 'what has been done in step %d of many';\n", i),
			down: "COMMENT ON TABLE bench_0 IS NULL;\n",
		})
	}
	return out
}
