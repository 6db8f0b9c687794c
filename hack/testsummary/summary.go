package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
)

// event is a line of go test -json; see go doc test2json.
type event struct {
	Action, Package, Test, Output string
}

// summary reads the events of a run of go test.
type summary struct {
	out     io.Writer
	verbose bool // print all output at once, as go test -v does
	// total is the number of packages, or 0.
	total       int
	start, last time.Time // of the run, and of the last output
	packages    map[string]*packageResult
}

// packageResult has the state and the output of a package.
type packageResult struct {
	outcome string // pass, fail, skip for no tests; empty while it runs
	cached  bool
	output  []string // without that of its tests
	tests   map[string]*testResult
}

// testResult has the state and the output of a test or subtest.
type testResult struct {
	outcome string // pass, fail, skip; empty while it runs
	paused  bool   // waits for its turn after t.Parallel
	since   time.Time
	output  []string
}

func newSummary(out io.Writer, verbose bool, total int, now time.Time) *summary {
	return &summary{out: out, verbose: verbose, total: total, start: now, last: now, packages: map[string]*packageResult{}}
}

// add reads a line of go test -json. A line that is not JSON is printed unchanged.
func (s *summary) add(line []byte, now time.Time) {
	var e event
	if line[0] != '{' || json.Unmarshal(line, &e) != nil {
		s.write(now, string(line))
		return
	}
	if e.Action == "build-output" {
		s.write(now, e.Output)
	}
	if e.Package == "" {
		return
	}
	p := s.packages[e.Package]
	if p == nil {
		p = &packageResult{tests: map[string]*testResult{}}
		s.packages[e.Package] = p
	}
	if e.Action == "output" && s.verbose {
		s.write(now, e.Output)
	}
	if e.Test != "" {
		p.addTest(e, now)
		return
	}
	switch e.Action {
	case "output":
		p.output = append(p.output, e.Output)
	case "pass", "fail", "skip":
		p.outcome = e.Action
		p.cached = strings.Contains(strings.Join(p.output, ""), "\t(cached)")
		if !s.verbose {
			s.write(now, p.text())
		}
		p.output = nil
	}
}

func (p *packageResult) addTest(e event, now time.Time) {
	t := p.tests[e.Test]
	if t == nil {
		t = &testResult{since: now}
		p.tests[e.Test] = t
	}
	switch e.Action {
	case "output":
		if !strings.HasPrefix(e.Output, "=== ") {
			t.output = append(t.output, e.Output)
		}
	case "pause":
		t.paused = true
	case "cont":
		t.paused, t.since = false, now
	case "pass":
		t.outcome, t.output = e.Action, nil
	case "fail", "skip":
		t.outcome = e.Action
	}
}

// text returns what go test without -v prints of a package: its result, and after a failure also the output of the failed
// tests, and of those that did not end.
func (p *packageResult) text() string {
	var b strings.Builder
	if p.outcome != "fail" {
		for _, line := range p.output {
			if strings.HasPrefix(line, "ok  \t") || strings.HasPrefix(line, "?   \t") {
				b.WriteString(line)
			}
		}
		return b.String()
	}
	for _, name := range slices.Sorted(maps.Keys(p.tests)) {
		if t := p.tests[name]; t.outcome == "fail" || t.outcome == "" {
			isResult := func(line string) bool { return strings.HasPrefix(strings.TrimLeft(line, " "), "--- FAIL: ") }
			for _, line := range slices.Concat(filter(t.output, isResult), filter(t.output, func(l string) bool { return !isResult(l) })) {
				b.WriteString(line)
			}
		}
	}
	for _, line := range p.output {
		b.WriteString(line)
	}
	return b.String()
}

func filter(lines []string, keep func(string) bool) []string {
	return slices.DeleteFunc(slices.Clone(lines), func(l string) bool { return !keep(l) })
}

func (s *summary) write(now time.Time, text string) {
	if text != "" {
		s.last = now
		_, _ = io.WriteString(s.out, text) // go test's exit code does not depend on it
	}
}

// maxRunning is the number of running tests in a report.
const maxRunning = 3

// reportRunning prints what is running if nothing was printed for the interval.
func (s *summary) reportRunning(now time.Time, interval time.Duration) {
	if now.Sub(s.last) < interval {
		return
	}
	done := 0
	type test struct {
		name  string
		since time.Time
	}
	var running []test
	for path, p := range s.packages {
		if p.outcome != "" {
			done++
			continue
		}
		for name, t := range p.tests {
			if t.outcome == "" && !t.paused && !p.hasRunningSubtest(name) {
				running = append(running, test{short(path) + " " + name, t.since})
			}
		}
	}
	count := fmt.Sprint(done)
	if s.total > 0 {
		count = fmt.Sprintf("%d of %d", done, s.total)
	}
	text := "compiling"
	if len(running) > 0 {
		slices.SortFunc(running, func(a, b test) int { return cmp.Or(a.since.Compare(b.since), cmp.Compare(a.name, b.name)) })
		var names []string
		for _, t := range running[:min(len(running), maxRunning)] {
			names = append(names, fmt.Sprintf("%s (%s)", t.name, now.Sub(t.since).Round(time.Second)))
		}
		if more := len(running) - len(names); more > 0 {
			names = append(names, fmt.Sprintf("%d more tests", more))
		}
		text = "running " + strings.Join(names, ", ")
	}
	s.write(now, fmt.Sprintf("... %s: %s packages, %s\n", now.Sub(s.start).Round(time.Second), count, text))
}

func (p *packageResult) hasRunningSubtest(name string) bool {
	for sub, t := range p.tests {
		if t.outcome == "" && strings.HasPrefix(sub, name+"/") {
			return true
		}
	}
	return false
}

// scenarios is the prefix of the end-to-end scenarios' names.
const scenarios = "TestScenarios/"

// counts has the number of each outcome.
type counts map[string]int

func (c counts) String() string {
	var parts []string
	for _, outcome := range []struct{ action, name string }{{"pass", "passed"}, {"fail", "failed"}, {"skip", "skipped"}, {"", "did not end"}} {
		if n := c[outcome.action]; n > 0 || outcome.action == "pass" {
			parts = append(parts, fmt.Sprintf("%d %s", n, outcome.name))
		}
	}
	return strings.Join(parts, ", ")
}

// print prints the summary.
func (s *summary) print(now time.Time) {
	packages, tests, subtests, scenario := counts{}, counts{}, counts{}, counts{}
	cached, withoutTests := 0, 0
	var skipped, failed []string
	for _, path := range slices.Sorted(maps.Keys(s.packages)) {
		p := s.packages[path]
		switch {
		case p.outcome == "skip", p.outcome == "pass" && len(p.tests) == 0:
			withoutTests++
		default:
			packages[p.outcome]++
		}
		if p.cached {
			cached++
		}
		for _, name := range slices.Sorted(maps.Keys(p.tests)) {
			t := p.tests[name]
			switch {
			case strings.HasPrefix(name, scenarios) && strings.Count(name, "/") == 1:
				scenario[t.outcome]++
			case strings.Contains(name, "/"):
				subtests[t.outcome]++
			default:
				tests[t.outcome]++
			}
			switch t.outcome {
			case "skip":
				skipped = append(skipped, fmt.Sprintf("%s %s: %s", short(path), name, t.reason()))
			case "fail", "":
				failed = append(failed, fmt.Sprintf("%s %s", short(path), name))
			}
		}
		if p.outcome == "fail" && len(p.tests) == 0 {
			failed = append(failed, short(path)+" (before its first test)")
		}
	}
	var b strings.Builder
	line := func(name, text string) { fmt.Fprintf(&b, "%-10s  %s\n", name, text) }
	b.WriteString("\n")
	text := packages.String()
	if withoutTests > 0 {
		text += fmt.Sprintf(", %d without tests", withoutTests)
	}
	if cached > 0 {
		text += fmt.Sprintf(" (%d from Go's cache)", cached)
	}
	line("packages", text)
	line("tests", fmt.Sprintf("%s; subtests: %s", tests, subtests))
	if len(scenario) > 0 {
		line("scenarios", scenario.String())
	}
	for i, one := range skipped {
		line([]string{"skipped", ""}[min(i, 1)], one)
	}
	for i, one := range failed {
		line([]string{"failed", ""}[min(i, 1)], one)
	}
	line("time", now.Sub(s.start).Round(time.Second).String())
	s.write(now, b.String())
}

// logLine is a line of t.Log and t.Skip.
var logLine = regexp.MustCompile(`^\s*\S+\.go:\d+: (.*)`)

// reason returns the text of t.Skip.
func (t *testResult) reason() string {
	for _, line := range slices.Backward(t.output) {
		if m := logLine.FindStringSubmatch(line); m != nil && strings.TrimSpace(m[1]) != "" {
			return strings.TrimSpace(m[1])
		}
	}
	return "no reason given"
}

// short returns a package's path without this repository's module.
func short(path string) string { return strings.TrimPrefix(path, "github.com/shiplock/shiplock/") }
