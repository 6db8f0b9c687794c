package faultinjection

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// An Outcome is the result of a round.
type Outcome string

// Outcomes, worst first.
const (
	AppliedTwice      Outcome = "applied twice"
	Lost              Outcome = "not applied"
	Incorrect         Outcome = "incorrect" // another difference: an invalid index, a wrong history table
	Hung              Outcome = "hung"
	NeedsManualRepair Outcome = "needs manual repair"
	WrongExitCode     Outcome = "wrong exit code"
	Recovered         Outcome = "recovered"
)

var outcomes = []Outcome{AppliedTwice, Lost, Incorrect, Hung, NeedsManualRepair, WrongExitCode, Recovered}

// A finding is a difference between the database and its expected state.
type finding struct {
	Outcome Outcome
	Text    string
}

// A checker compares a database with the expected result of a set.
type checker struct {
	database *database
	set      *Set
	findings []finding
	err      error // the first query that failed
}

func verify(p *database, s *Set, tl *tool) ([]finding, error) {
	o := &checker{database: p, set: s}
	o.checkLog()
	o.checkSessions()
	o.checkTables(tl)
	for name, table := range s.Tables {
		o.checkTable(name, table)
	}
	if n := o.value(`SELECT count(*) FROM pg_index WHERE NOT indisvalid`); n != "0" {
		o.add(Incorrect, "%s indexes are invalid", n)
	}
	for _, e := range tl.historyChecks(s) {
		if got := o.value(e.query); got != e.want {
			o.add(Incorrect, "the tool's own table has %q, want %q: %s", got, e.want, e.query)
		}
	}
	return o.findings, o.err
}

// checkLog checks how often each migration has run.
func (o *checker) checkLog() {
	if o.value(`SELECT to_regclass('chaos_log')`) == "" {
		o.add(Lost, "chaos_log does not exist")
		return
	}
	for _, m := range o.set.Migrations {
		if !m.Logs {
			continue
		}
		switch n := o.value(`SELECT count(*) FROM chaos_log WHERE version = $1`, m.Version); n {
		case "1":
		case "0":
			o.add(Lost, "migration %d has not run", m.Version)
		default:
			o.add(AppliedTwice, "migration %d has run %s times", m.Version, n)
		}
	}
}

func (o *checker) checkTable(name string, want *Table) {
	if o.value(`SELECT to_regclass($1)`, name) == "" {
		o.add(Lost, "table %s does not exist", name)
		return
	}
	o.compareLists(name+" columns", want.Columns, o.list(`SELECT attname::text FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped`, name))
	o.compareLists(name+" indexes", want.Indexes, o.list(`SELECT indexrelid::regclass::text FROM pg_index WHERE indrelid = $1::regclass`, name))
	o.compareNumber(name+" rows", want.Rows, o.value("SELECT count(*) FROM "+name))
	o.compareNumber(name+" sum", want.Sum, o.value("SELECT coalesce(sum(id), 0) FROM "+name))
}

func (o *checker) compareLists(what string, want, got []string) {
	for _, x := range want {
		if !slices.Contains(got, x) {
			o.add(Lost, "%s: %s is missing", what, x)
		}
	}
	for _, x := range got {
		if !slices.Contains(want, x) {
			o.add(Incorrect, "%s: %s is unexpected", what, x)
		}
	}
}

func (o *checker) compareNumber(what string, want int, text string) {
	got, err := strconv.Atoi(text)
	switch {
	case err != nil:
		o.add(Incorrect, "%s: %q", what, text)
	case got < want:
		o.add(Lost, "%s: %d, want %d", what, got, want)
	case got > want:
		o.add(AppliedTwice, "%s: %d, want %d", what, got, want)
	}
}

func (o *checker) add(outcome Outcome, format string, args ...any) {
	o.findings = append(o.findings, finding{outcome, fmt.Sprintf(format, args...)})
}

func (o *checker) value(query string, args ...any) string {
	v, err := o.database.value(query, args...)
	o.failed(query, err)
	return v
}

func (o *checker) list(query string, args ...any) []string {
	v, err := o.database.list(query, args...)
	o.failed(query, err)
	return v
}

func (o *checker) failed(query string, err error) {
	if err != nil && o.err == nil {
		o.err = fmt.Errorf("%s: %w", query, err)
	}
}

// worstOutcome returns the worst outcome of the findings, and all of their texts.
func worstOutcome(findings []finding) (Outcome, string) {
	worst, texts := Recovered, make([]string, len(findings))
	for i, f := range findings {
		texts[i] = f.Text
		if slices.Index(outcomes, f.Outcome) < slices.Index(outcomes, worst) {
			worst = f.Outcome
		}
	}
	return worst, strings.Join(texts, "; ")
}
