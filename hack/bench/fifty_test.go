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
	"github.com/shiplock/shiplock/internal/pgtest"
)

// crowd is what many processes at once have come to.
type crowd struct {
	alone, together time.Duration   // one process, and from the start of the first to the end of the last
	late            []time.Duration // how long after the work's end, or its own start, each ended
	failed          int
	why             string
}

// fifty is as many migrators at once as an application has pods.
func fifty(t *testing.T, s scale) result.Figure {
	table := result.Table{Header: []string{"tool", "one alone", "all at once", "p99 after the work's end", "failed", "of these, the last said"}}
	var ours crowd
	for _, tl := range peers(t) {
		c := flock(t, tl, s)
		if tl.name == "shiplock" {
			ours = c
		}
		why := ""
		if c.failed > 0 {
			why = "`" + c.why + "`"
		}
		table.Rows = append(table.Rows, []string{tl.name, seconds(c.alone), cell(c.together, c.alone, seconds), seconds(c.p99()), fmt.Sprintf("%d of %d", c.failed, s.processes), why})
	}
	ratio := ours.together.Seconds() / ours.alone.Seconds()
	return result.Figure{
		Title: "Many migrators at once",
		How: fmt.Sprintf("%d processes are started at once on an empty database, for migrations that take %s; in brackets, times one process by itself. "+
			"After the end of the work, or its own start if that is later, a process should not be long", s.processes, s.work),
		Tables: []result.Table{table},
		Goals: []result.Goal{
			goal("in total at most 1.2 × one alone", times(ratio), ratio <= 1.2),
			goal("p99 of the others at most 1 s after the work's end", seconds(ours.p99()), ours.p99() <= time.Second),
			goal("none fails", fmt.Sprintf("%d of %d", ours.failed, s.processes), ours.failed == 0),
		},
	}
}

func (c crowd) p99() time.Duration {
	slices.Sort(c.late)
	return c.late[int(math.Ceil(0.99*float64(len(c.late))))-1]
}

// flock runs one process, and then many on another database.
func flock(t *testing.T, tl *tool, s scale) (c crowd) {
	dir := tl.folder(t, working(s.work))
	c.alone = must(t, tl.up(dir, pgtest.New(t))).wall
	d := pgtest.New(t)
	type end struct {
		start, at time.Time
		code      int
		said      string
	}
	ends := make(chan end)
	first := time.Now()
	for range s.processes {
		go func() {
			cmd := tl.up(dir, d)
			start := time.Now()
			said, _ := cmd.CombinedOutput()
			ends <- end{start, time.Now(), cmd.ProcessState.ExitCode(), string(said)}
		}()
	}
	var all []end
	for range s.processes {
		e := <-ends
		if e.code != 0 {
			c.failed, c.why = c.failed+1, sample{said: e.said}.lastLine()
		}
		c.together = max(c.together, e.at.Sub(first))
		all = append(all, e)
	}
	done := finished(t, d)
	for _, e := range all {
		from := done
		if e.start.After(from) {
			from = e.start
		}
		c.late = append(c.late, max(0, e.at.Sub(from)))
	}
	return c
}

// working are migrations that take a time together, and the last of which says when.
func working(total time.Duration) []migration {
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

// finished is when the last migration was: server and client have one clock.
func finished(t *testing.T, d *pgtest.Database) time.Time {
	t.Helper()
	text := d.Value(t, "SELECT extract(epoch FROM max(at)) FROM bench_done WHERE step = 19")
	at, err := strconv.ParseFloat(text, 64)
	require.NoError(t, err, "nobody has done the work: %q", text)
	return time.Unix(0, int64(at*1e9))
}
