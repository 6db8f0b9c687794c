package faultinjection

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shiplock/shiplock/internal/test/pgtest"
)

// render returns the report's part on rounds as Markdown.
func render(t *testing.T, tools []*tool, results []roundResult, duration time.Duration) string {
	t.Helper()
	slices.SortFunc(results, func(a, b roundResult) int {
		return cmp.Or(cmp.Compare(a.seed, b.seed), cmp.Compare(a.tool.Name, b.tool.Name))
	})
	var b strings.Builder
	b.WriteString("# Fault-injection results\n\n<!-- Written by `make chaos`. -->\n\n")
	fmt.Fprintf(&b, "Each round generates a random set of migrations and starts the tool. It injects a fault at a random moment, and runs the tool again until it succeeds (at most %d times, without manual repair). It then checks that each migration was applied exactly once. The test is in `internal/test/faultinjection`.\n\n", maxReruns)
	fmt.Fprintf(&b, "Run: `make chaos ROUNDS=%d SEED=%d%s`, %s, PostgreSQL %s, %s, in %s.\n\n",
		*rounds, *seed, arguments(), sets(), pgtest.New(t).Value(t, "SHOW server_version"), machine(), duration.Round(time.Second))
	fmt.Fprintf(&b, "## Failed rounds by fault\n\nThe tables count the rounds in which the fault was injected before the run ended.\n\n")
	failureTable(&b, "fault", tools, results, kindNames(), func(v roundResult) string { return string(v.kind) })
	if *mixed {
		b.WriteString("\n")
		failureTable(&b, "migrations", tools, results, []string{string(Transactional), string(Concurrent), string(Mixed), string(Session), string(MixedSession)}, func(v roundResult) string { return string(v.class) })
	}
	b.WriteString("\n## Outcomes of all rounds\n\n")
	summary(&b, tools, results)
	for _, tl := range tools {
		fmt.Fprintf(&b, "\n## Exit codes of %s after a fault\n\n", tl.Name)
		codes(&b, tl, results)
	}
	return b.String()
}

// arguments returns the arguments of make that differ from the defaults.
func arguments() string {
	var args []string
	if *mixed {
		args = append(args, "-mixed")
	}
	if *only != "" {
		args = append(args, fmt.Sprintf("-kind \"%s\"", *only))
	}
	if len(args) == 0 {
		return ""
	}
	return " ARGS='" + strings.Join(args, " ") + "'"
}

func sets() string {
	if *mixed {
		return "sets of all kinds"
	}
	return "transactional sets only"
}

// failureTable writes the number of failed rounds by a property of the round.
func failureTable(b *strings.Builder, title string, tools []*tool, results []roundResult, rows []string, of func(roundResult) string) {
	header(b, title, tools)
	for _, row := range append(rows, "all") {
		fmt.Fprintf(b, "| %s |", row)
		for _, tl := range tools {
			bad, all := 0, 0
			for _, v := range results {
				if v.tool == tl && v.injected && (row == "all" || of(v) == row) {
					all++
					if v.outcome != Recovered {
						bad++
					}
				}
			}
			fmt.Fprintf(b, " %d of %d |", bad, all)
		}
		b.WriteString("\n")
	}
}

func header(b *strings.Builder, title string, tools []*tool) {
	fmt.Fprintf(b, "| %s |", title)
	for _, tl := range tools {
		fmt.Fprintf(b, " %s %s |", tl.Name, tl.Version)
	}
	fmt.Fprintf(b, "\n|---|%s\n", strings.Repeat("---:|", len(tools)))
}

func summary(b *strings.Builder, tools []*tool, results []roundResult) {
	header(b, "outcome", tools)
	row := func(name string, is func(roundResult) bool) {
		fmt.Fprintf(b, "| %s |", name)
		for _, tl := range tools {
			n := 0
			for _, v := range results {
				if v.tool == tl && is(v) {
					n++
				}
			}
			fmt.Fprintf(b, " %d |", n)
		}
		b.WriteString("\n")
	}
	row("ended before the fault", func(v roundResult) bool { return !v.injected })
	for _, o := range slices.Backward(outcomes) {
		row(string(o), func(v roundResult) bool { return v.outcome == o && (v.injected || o != Recovered) })
	}
	row("recovered after more than one rerun", func(v roundResult) bool { return v.outcome == Recovered && v.reruns > 1 })
}

// codes writes the number of each exit code by the kind of fault.
func codes(b *strings.Builder, tl *tool, results []roundResult) {
	count := map[Kind]map[int]int{}
	all := map[int]bool{}
	for _, v := range results {
		if v.tool == tl && v.injected {
			if count[v.kind] == nil {
				count[v.kind] = map[int]int{}
			}
			count[v.kind][v.code]++
			all[v.code] = true
		}
	}
	order := slices.Sorted(maps.Keys(all))
	b.WriteString("| fault |")
	for _, code := range order {
		fmt.Fprintf(b, " %d |", code)
	}
	fmt.Fprintf(b, "\n|---|%s\n", strings.Repeat("---:|", len(order)))
	for _, k := range kindNames() {
		if count[Kind(k)] == nil {
			continue
		}
		fmt.Fprintf(b, "| %s |", k)
		for _, code := range order {
			fmt.Fprintf(b, " %d |", count[Kind(k)][code])
		}
		b.WriteString("\n")
	}
}

// machine returns a description of the machine.
func machine() string {
	model := runtime.GOARCH
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(info)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	kernel, err := exec.Command("uname", "-sr").Output()
	if err != nil {
		kernel = []byte(runtime.GOOS)
	}
	return fmt.Sprintf("%d cores of %s, %s, %s", runtime.NumCPU(), model, strings.TrimSpace(string(kernel)), runtime.Version())
}
