package chaos

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Outcome is what became of a round.
type Outcome string

// Outcomes, the worst first.
const (
	Doubled   Outcome = "doubled"
	Lost      Outcome = "lost"
	Wrong     Outcome = "wrong" // neither: an index that is invalid, books that tell something else
	Hung      Outcome = "hung"
	Person    Outcome = "needs a person"
	Misled    Outcome = "wrong exit code"
	Recovered Outcome = "recovered"
)

var outcomes = []Outcome{Doubled, Lost, Wrong, Hung, Person, Misled, Recovered}

// finding is one thing that is not as it should be.
type finding struct {
	Outcome Outcome
	Text    string
}

// oracle compares a database in which the whole set has run with what the set
// leads to.
type oracle struct {
	place    *place
	set      *Set
	findings []finding
	err      error // the first query that failed
}

func consult(p *place, s *Set, tl *tool) ([]finding, error) {
	o := &oracle{place: p, set: s}
	o.log()
	o.states()
	o.places(tl)
	for name, table := range s.Tables {
		o.table(name, table)
	}
	if n := o.value(`SELECT count(*) FROM pg_index WHERE NOT indisvalid`); n != "0" {
		o.find(Wrong, "%s indexes are invalid", n)
	}
	for _, e := range tl.books(s) {
		if got := o.value(e.query); got != e.want {
			o.find(Wrong, "the tool's own table says %q, want %q: %s", got, e.want, e.query)
		}
	}
	return o.findings, o.err
}

// log reads how often each migration has run.
func (o *oracle) log() {
	if o.value(`SELECT to_regclass('chaos_log')`) == "" {
		o.find(Lost, "chaos_log is not there")
		return
	}
	for _, m := range o.set.Migrations {
		if !m.Logs {
			continue
		}
		switch n := o.value(`SELECT count(*) FROM chaos_log WHERE version = $1`, m.Version); n {
		case "1":
		case "0":
			o.find(Lost, "migration %d has not run", m.Version)
		default:
			o.find(Doubled, "migration %d has run %s times", m.Version, n)
		}
	}
}

func (o *oracle) table(name string, want *Table) {
	if o.value(`SELECT to_regclass($1)`, name) == "" {
		o.find(Lost, "table %s is not there", name)
		return
	}
	o.same(name+" columns", want.Columns, o.list(`SELECT attname::text FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped`, name))
	o.same(name+" indexes", want.Indexes, o.list(`SELECT indexrelid::regclass::text FROM pg_index WHERE indrelid = $1::regclass`, name))
	o.number(name+" rows", want.Rows, o.value("SELECT count(*) FROM "+name))
	o.number(name+" sum", want.Sum, o.value("SELECT coalesce(sum(id), 0) FROM "+name))
}

func (o *oracle) same(what string, want, got []string) {
	for _, x := range want {
		if !slices.Contains(got, x) {
			o.find(Lost, "%s: %s is missing", what, x)
		}
	}
	for _, x := range got {
		if !slices.Contains(want, x) {
			o.find(Wrong, "%s: %s is too much", what, x)
		}
	}
}

func (o *oracle) number(what string, want int, text string) {
	got, err := strconv.Atoi(text)
	switch {
	case err != nil:
		o.find(Wrong, "%s: %q", what, text)
	case got < want:
		o.find(Lost, "%s: %d, want %d", what, got, want)
	case got > want:
		o.find(Doubled, "%s: %d, want %d", what, got, want)
	}
}

func (o *oracle) find(outcome Outcome, format string, args ...any) {
	o.findings = append(o.findings, finding{outcome, fmt.Sprintf(format, args...)})
}

func (o *oracle) value(query string, args ...any) string {
	v, err := o.place.value(query, args...)
	o.failed(query, err)
	return v
}

func (o *oracle) list(query string, args ...any) []string {
	v, err := o.place.list(query, args...)
	o.failed(query, err)
	return v
}

func (o *oracle) failed(query string, err error) {
	if err != nil && o.err == nil {
		o.err = fmt.Errorf("%s: %w", query, err)
	}
}

// judge is the worst of the findings, and all of their words.
func judge(findings []finding) (Outcome, string) {
	worst, words := Recovered, make([]string, len(findings))
	for i, f := range findings {
		words[i] = f.Text
		if slices.Index(outcomes, f.Outcome) < slices.Index(outcomes, worst) {
			worst = f.Outcome
		}
	}
	return worst, strings.Join(words, "; ")
}
