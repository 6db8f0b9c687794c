package activity

import (
	"fmt"
	"strings"
	"time"

	"github.com/shiplock/shiplock/internal/postgres"
	"github.com/shiplock/shiplock/internal/progress"
	"github.com/shiplock/shiplock/internal/script"
	"github.com/shiplock/shiplock/internal/text"
)

// facts returns the facts that are known without the server.
func (p position) facts() []progress.Fact {
	facts := []progress.Fact{{Name: "file", Value: p.file, Bar: p.file}}
	if p.of > 1 {
		facts = []progress.Fact{
			{Name: "migration", Value: fmt.Sprintf("%d of %d", p.number, p.of)},
			{Name: "file", Value: p.file, Bar: fmt.Sprintf("%d/%d %s", p.number, p.of, p.file)},
		}
	}
	if st, number, line, known := p.currentStatement(); known {
		sql, bar := StatementPrefix(st.Text), ""
		if p.statements > 1 {
			facts = append(facts, progress.Fact{Name: "statement", Value: fmt.Sprintf("%d of %d", number, p.statements)})
			bar = fmt.Sprintf("%d/%d ", number, p.statements)
		}
		facts = append(facts, progress.Fact{Name: "line", Value: line}, progress.Fact{Name: "sql", Value: sql, Bar: bar + sql, Rank: 4})
	}
	if p.activity != "" {
		facts = append(facts, progress.Fact{Name: "doing", Value: p.activity, Bar: p.activity, Rank: 2})
	}
	if p.since.Sub(p.began) > time.Second {
		facts = append(facts, progress.Fact{Name: "statement_elapsed", Value: postgres.RoundDuration(time.Since(p.since))})
	}
	if p.sent > 0 {
		facts = append(facts, progress.Fact{Name: "sent", Value: text.Bytes(p.sent) + " of " + text.Bytes(p.size), Bar: text.Bytes(p.sent) + " of " + text.Bytes(p.size) + " sent", Rank: 3})
	}
	return facts
}

// sentShare returns the share of a large file that has been sent.
func (p position) sentShare() (float64, bool) {
	if p.sent <= 0 || p.size < script.MaxParsedBytes || p.activity != "" {
		return 0, false
	}
	return workCount{done: p.sent, total: p.size}.share()
}

func (p *backendProgress) Share() (float64, bool) {
	if p == nil {
		return 0, false
	}
	return p.phaseWork().share()
}

// PhaseFacts describes the phase as PostgreSQL reports it.
func (a *Backend) PhaseFacts() []progress.Fact {
	p := a.Progress
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
	switch c := p.phaseWork(); {
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

// WaitFacts describes the wait event and the blocking sessions.
func (a *Backend) WaitFacts() []progress.Fact {
	var facts []progress.Fact
	if a.WaitType != "" && a.State == "active" {
		wait := a.WaitType + ": " + a.Wait // as PostgreSQL reports it
		facts = append(facts, progress.Fact{Name: "wait", Value: wait})
		if a.WaitType == "Lock" {
			facts[0].Bar, facts[0].Rank = "waiting for a lock ("+a.Wait+")", 2
		}
	}
	if blockers := a.blockingSessions(); len(blockers) > 0 {
		facts = append(facts, progress.Fact{Name: "blocked_by", Value: SessionTexts(blockers), Bar: "blocked by " + blockers[0].String(), Rank: 3})
	}
	return facts
}

// formatDuration formats 2m0s as 2m.
func formatDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
