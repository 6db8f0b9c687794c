package postgres

import (
	"fmt"
	"strings"
	"time"

	"github.com/shiplock/shiplock/internal/progress"
)

// moment is what is known of a run, from its own position and from the server.
func (w *watcher) moment(now spot, g *glimpse) progress.Moment {
	m := progress.Moment{Message: "the migration still runs", Facts: now.facts()}
	if g == nil {
		if share, ok := now.shareSent(); ok {
			m.Facts = append(m.Facts, w.share("sent", share)...)
		}
		return m
	}
	m.Facts = append(m.Facts, g.phase()...)
	if share, ok := g.Progress.share(); ok {
		m.Facts = append(m.Facts, w.share(g.Progress.round(), share)...)
	} else if share, ok := now.shareSent(); ok {
		m.Facts = append(m.Facts, w.share("sent", share)...)
	}
	m.Facts = append(m.Facts, g.waiting()...)
	return m
}

// share is what part of something is done, with how long it takes yet if that can be told.
func (w *watcher) share(of string, done float64) []progress.Fact {
	facts := []progress.Fact{progress.Share(done)}
	w.estimate.Add(time.Now(), of, done)
	if left, ok := w.estimate.Left(); ok {
		facts = append(facts, progress.Fact{Name: "phase_left", Value: "about " + short(left), Bar: "about " + short(left) + " left", Rank: 3})
	}
	return facts
}

// facts are what we know ourselves.
func (p spot) facts() []progress.Fact {
	facts := []progress.Fact{{Name: "file", Value: p.file, Bar: p.file}}
	if p.of > 1 {
		facts = []progress.Fact{
			{Name: "migration", Value: fmt.Sprintf("%d of %d", p.number, p.of)},
			{Name: "file", Value: p.file, Bar: fmt.Sprintf("%d/%d %s", p.number, p.of, p.file)},
		}
	}
	if st, number, line, known := p.current(); known {
		sql, bar := beginning(st.Text), ""
		if p.statements > 1 {
			facts = append(facts, progress.Fact{Name: "statement", Value: fmt.Sprintf("%d of %d", number, p.statements)})
			bar = fmt.Sprintf("%d/%d ", number, p.statements)
		}
		facts = append(facts, progress.Fact{Name: "line", Value: line}, progress.Fact{Name: "sql", Value: sql, Bar: bar + sql, Rank: 4})
	}
	if p.doing != "" {
		facts = append(facts, progress.Fact{Name: "doing", Value: p.doing, Bar: p.doing, Rank: 2})
	}
	if p.since.Sub(p.began) > time.Second {
		facts = append(facts, progress.Fact{Name: "statement_elapsed", Value: round(time.Since(p.since))})
	}
	if p.sent > 0 {
		facts = append(facts, progress.Fact{Name: "sent", Value: size(p.sent) + " of " + size(p.size), Bar: size(p.sent) + " of " + size(p.size) + " sent", Rank: 3})
	}
	return facts
}

// shareSent is what part of the file has been sent; only of a big one does that say anything.
func (p spot) shareSent() (float64, bool) {
	if p.sent <= 0 || p.size < streamAbove || p.doing != "" {
		return 0, false
	}
	return count{done: p.sent, total: p.size}.share()
}

func (p *serverProgress) share() (float64, bool) {
	if p == nil {
		return 0, false
	}
	return p.count().share()
}

// phase is what the server is at, in its own words.
func (g *glimpse) phase() []progress.Fact {
	p := g.Progress
	if p == nil {
		return nil
	}
	what := p.Phase
	if what == "" {
		what = p.Command // COPY has no phases
	}
	facts := []progress.Fact{{Name: "phase", Value: what}}
	if p.Relation != "" {
		facts = append(facts, progress.Fact{Name: "relation", Value: p.Relation})
	}
	switch c := p.count(); {
	case c.total > 0:
		facts = append(facts, progress.Fact{Name: c.unit + "_done", Value: c.done}, progress.Fact{Name: c.unit + "_total", Value: c.total})
	case c.done > 0:
		facts = append(facts, progress.Fact{Name: c.unit + "_done", Value: c.done, Bar: fmt.Sprintf("%d %s", c.done, c.unit), Rank: 3})
	}
	if p.PartitionsTotal > 0 {
		partitions := fmt.Sprintf("%d of %d", p.PartitionsDone, p.PartitionsTotal)
		facts = append(facts, progress.Fact{Name: "partitions_done", Value: partitions, Bar: partitions + " partitions", Rank: 3})
	}
	facts[0].Bar, facts[0].Rank = what, 2
	return facts
}

// waiting is what the session waits for, and for whom.
func (g *glimpse) waiting() []progress.Fact {
	var facts []progress.Fact
	if g.WaitType != "" && g.State == "active" {
		wait := g.WaitType + ": " + g.Wait // PostgreSQL's words
		facts = append(facts, progress.Fact{Name: "wait", Value: wait})
		if g.WaitType == "Lock" {
			facts[0].Bar, facts[0].Rank = "waits for a lock ("+g.Wait+")", 2
		}
	}
	if who := g.blocked(); len(who) > 0 {
		facts = append(facts, progress.Fact{Name: "blockers", Value: who, Bar: "held by " + who[0], Rank: 3})
	}
	return facts
}

// size is a number of bytes for people.
func size(bytes int64) string {
	units := []string{"B", "kB", "MB", "GB", "TB"}
	n, i := float64(bytes), 0
	for ; n >= 1000 && i < len(units)-1; i++ {
		n /= 1000
	}
	if i == 0 || n >= 100 {
		return fmt.Sprintf("%.0f %s", n, units[i])
	}
	return fmt.Sprintf("%.1f %s", n, units[i])
}

// short writes 2m0s as 2m.
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
