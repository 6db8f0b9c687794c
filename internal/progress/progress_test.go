package progress

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// simulate shows the status of an activity once per second of a simulated duration, and
// returns the times at which a line was logged.
func simulate(a *Activity, duration time.Duration, log *bytes.Buffer) (at []time.Duration) {
	for elapsed := time.Duration(0); elapsed <= duration; elapsed += time.Second {
		a.since = time.Now().Add(-elapsed)
		before := log.Len()
		a.Show(barStatus("x"))
		if log.Len() > before {
			at = append(at, elapsed)
		}
	}
	return at
}

func TestShow_Log_UsesGrowingIntervals(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, nil))
	d, quiet := NewLog(logger, DefaultIntervals), NewQuiet(logger)
	seconds := func(s ...int) (out []time.Duration) {
		for _, n := range s {
			out = append(out, time.Duration(n)*time.Second)
		}
		return out
	}
	forty := 40 * time.Minute
	assert.Empty(t, simulate(d.Start(), 9*time.Second, &log), "short activities are not logged")
	assert.Equal(t, seconds(10, 30, 70, 150, 310, 610, 910, 1210, 1510, 1810, 2110), simulate(d.Start(), 40*time.Minute-2*time.Second, &log)[:11])
	assert.Len(t, simulate(d.Start(), forty, &log), 11, "the comment of DefaultIntervals has this number")
	assert.Equal(t, seconds(0, 10, 30, 70), simulate(d.StartWait(), 100*time.Second, &log))
	assert.Equal(t, seconds(0), simulate(quiet.StartWait(), forty, &log))
	assert.Empty(t, simulate(quiet.Start(), forty, &log))
	a := d.StartWait()
	assert.Equal(t, seconds(0), simulate(a, 5*time.Second, &log))
	a.Reset()
	assert.Equal(t, seconds(0), simulate(a, 5*time.Second, &log), "a new cause is logged immediately")
	a.End()
	a.Reset()
	assert.Empty(t, simulate(a, forty, &log))
	for _, silent := range []*Display{nil, {}, quiet, NewLog(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn})), DefaultIntervals)} {
		_, ever := silent.QueryDelay()
		assert.False(t, ever, "a silent display does not query the server")
	}
	var none *Display
	none.Start().Show(barStatus("x"))
	none.StartWait().End()
}

func TestShow_Log_HasFactsAsFields(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	d := NewLog(slog.New(slog.NewJSONHandler(&log, nil)), immediate)
	d.StartWait().Show(Status{Message: "waiting", TimeName: "waited", Facts: []Fact{
		{Name: "for", Value: "x\x1b[2Jy\nz"}, {Name: "blocks_done", Value: int64(7)}, Percent(0.439), {Bar: "only on the bar"}, {Name: "blocked_by", Value: []string{"a", "b"}},
	}})
	var line map[string]any
	require.NoError(t, json.Unmarshal(log.Bytes(), &line))
	delete(line, "time")
	waited, ok := line["waited"].(float64)
	assert.True(t, ok && waited >= 0, line)
	delete(line, "waited")
	assert.Equal(t, map[string]any{"level": "INFO", "msg": "waiting", "for": "x\uFFFD[2Jy z", "blocks_done": 7.0, "percent": 43.0, "blocked_by": []any{"a", "b"}}, line)
}

func TestStatusLine_NarrowTerminal_DropsFactsByRank(t *testing.T) {
	t.Parallel()
	m := Status{Facts: []Fact{{Bar: "2/5 0009_x.up.sql"}, {Bar: "3/7 CREATE INDEX i …", Rank: 4}, {Bar: "building index: scanning table", Rank: 2}, Percent(0.43), {Bar: "about 50s left", Rank: 3}}}
	for width, want := range map[int]string{
		200: "2/5 0009_x.up.sql  3/7 CREATE INDEX i …  building index: scanning table  [########............] 43%  about 50s left  1m40s",
		120: "2/5 0009_x.up.sql  3/7 CREATE INDEX …  building index: scanning table  [########............] 43%  about 50s left  1m40s",
		100: "2/5 0009_x.up.sql  building index: scanning table  [########............] 43%  about 50s left  1m40s",
		90:  "2/5 0009_x.up.sql  building index: scanning table  [########............] 43%  1m40s",
		70:  "2/5 0009_x.up.sql  building index:…  [########............] 43%  1m40s",
		60:  "2/5 0009_x.up.sql  [########............] 43%  1m40s",
		30:  "2/5 0009_x.up.sql  1m40s",
		10:  "2/5 0009_x",
		1:   "2",
	} {
		assert.Equal(t, want, m.line(100*time.Second+700*time.Millisecond, width), width)
	}
	wide := Status{Facts: []Fact{{Bar: strings.Repeat("漢", 40)}}}
	assert.Equal(t, strings.Repeat("漢", 10), wide.line(0, 21))
	assert.Equal(t, []string{"[....................] 0%", "[....................] 0%", "[####################] 100%"}, []string{Percent(-1).Bar, Percent(0).Bar, Percent(1.01).Bar})
}

func TestEstimate_SteadyRate_ReturnsRemaining(t *testing.T) {
	t.Parallel()
	start := time.Now()
	// fed returns an estimate with one sample per second, done(second).
	fed := func(seconds int, done func(int) float64) *Estimate {
		var e Estimate
		for s := range seconds + 1 {
			e.Add(start.Add(time.Duration(s)*time.Second), "scanning", done(s))
		}
		return &e
	}
	even := func(s int) float64 { return float64(s) / 100 }
	for name, c := range map[string]struct {
		e    *Estimate
		want time.Duration
	}{
		"even":          {fed(20, even), 80 * time.Second},
		"nearly even":   {fed(20, func(s int) float64 { return (float64(s) + 0.3*float64(s%2)) / 100 }), 80 * time.Second},
		"too soon":      {fed(3, even), 0},
		"slower":        {fed(20, func(s int) float64 { return 0.2 + float64(min(s, 10))/100 }), 0},
		"faster":        {fed(20, func(s int) float64 { return float64(s*s) / 1000 }), 0},
		"stalled":       {fed(20, func(int) float64 { return 0.5 }), 0},
		"slow at first": {fed(300, func(s int) float64 { return float64(max(0, s-200)) / 400 }), 5 * time.Minute},
		"long":          {fed(3000, func(s int) float64 { return float64(s) / 30_000 }), 7*time.Hour + 30*time.Minute},
		"starts again":  {fed(20, func(s int) float64 { return float64(s%18) / 100 }), 0},
		"no samples":    {&Estimate{}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			left, ok := c.e.Remaining()
			assert.Equal(t, c.want, left)
			assert.Equal(t, c.want > 0, ok)
		})
	}
	e := fed(20, even)
	e.Add(start.Add(21*time.Second), "sorting", 0.5)
	_, ok := e.Remaining()
	assert.False(t, ok, "another phase has another rate")
}
