package bench

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/hack/bench/result"
	"github.com/shiplock/shiplock/internal/test/pgtest"
)

// concurrentRuns is the measurement of many concurrent processes.
type concurrentRuns struct {
	alone, together time.Duration   // a single process, and all from the first start to the last end
	late            []time.Duration // from the end of the last migration, or the process's start, to its end
	failed          int
	why             string
}

// fifty measures as many concurrent migrators as an application may have pods.
func fifty(t *testing.T, s scale) result.Figure {
	table := result.Table{Header: []string{"tool", "one alone", "all at once", "p99 after the last migration", "failed", "last error"}}
	var own concurrentRuns
	for _, tl := range peers(t) {
		c := runMany(t, tl, s)
		if tl.Name == "shiplock" {
			own = c
		}
		why := ""
		if c.failed > 0 {
			why = "`" + c.why + "`"
		}
		table.Rows = append(table.Rows, []string{tl.Name, seconds(c.alone), cell(c.together, c.alone, seconds), seconds(c.p99()), fmt.Sprintf("%d of %d", c.failed, s.processes), why})
	}
	ratio := own.together.Seconds() / own.alone.Seconds()
	return result.Figure{
		Title: "Many migrators at once",
		How: fmt.Sprintf("%d processes start at the same time on an empty database, for migrations that take %s. In brackets: times a single process. "+
			"A process should end soon after the last migration, or after its own start if that is later", s.processes, s.work),
		Tables: []result.Table{table},
		Goals: []result.Goal{
			goal("in total at most 1.2 × a single process", times(ratio), ratio <= 1.2),
			goal("p99 of the others at most 1 s after the last migration", seconds(own.p99()), own.p99() <= time.Second),
			goal("none fails", fmt.Sprintf("%d of %d", own.failed, s.processes), own.failed == 0),
		},
	}
}

func (c concurrentRuns) p99() time.Duration {
	slices.Sort(c.late)
	return c.late[int(math.Ceil(0.99*float64(len(c.late))))-1]
}

// runMany runs one process, and then many on another database.
func runMany(t *testing.T, tl *tool, s scale) (c concurrentRuns) {
	dir := tl.folder(t, sleepingMigrations(s.work))
	c.alone = mustRun(t, tl.up(dir, pgtest.New(t))).wall
	d := pgtest.New(t)
	type end struct {
		start, at time.Time
		code      int
		output    string
	}
	ends := make(chan end)
	first := time.Now()
	for range s.processes {
		go func() {
			cmd := tl.up(dir, d)
			start := time.Now()
			output, _ := cmd.CombinedOutput()
			ends <- end{start, time.Now(), cmd.ProcessState.ExitCode(), string(output)}
		}()
	}
	var all []end
	for range s.processes {
		e := <-ends
		if e.code != 0 {
			c.failed, c.why = c.failed+1, sample{output: e.output}.lastLine()
		}
		c.together = max(c.together, e.at.Sub(first))
		all = append(all, e)
	}
	done := lastFinished(t, d)
	for _, e := range all {
		from := done
		if e.start.After(from) {
			from = e.start
		}
		c.late = append(c.late, max(0, e.at.Sub(from)))
	}
	return c
}

// sleepingMigrations returns migrations with a total duration. They log when they run.
func sleepingMigrations(total time.Duration) []migration {
	const n = 20
	out := []migration{{up: "CREATE TABLE bench_done (step int, at timestamptz DEFAULT clock_timestamp());\n", down: "DROP TABLE bench_done;\n"}}
	for i := range n {
		out = append(out, migration{
			up:   fmt.Sprintf("SELECT pg_sleep(%.4f);\nINSERT INTO bench_done (step) VALUES (%d);\n", total.Seconds()/n, i),
			down: fmt.Sprintf("DELETE FROM bench_done WHERE step = %d;\n", i),
		})
	}
	return out
}

// lastFinished returns the time of the last migration. Server and client have the same clock.
func lastFinished(t *testing.T, d *pgtest.Database) time.Time {
	t.Helper()
	text := d.Value(t, "SELECT extract(epoch FROM max(at)) FROM bench_done WHERE step = 19")
	at, err := strconv.ParseFloat(text, 64)
	require.NoError(t, err, "no migration has run: %q", text)
	return time.Unix(0, int64(at*1e9))
}
