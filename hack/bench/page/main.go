// Command page writes docs/benchmarks/README.md from the figures beside it.
//
//	go run ./hack/bench/page docs/benchmarks
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/shiplock/shiplock/hack/bench/result"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: page FOLDER")
		os.Exit(2)
	}
	if err := write(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "page:", err)
		os.Exit(1)
	}
}

func write(dir string) error {
	figures, err := result.Load(filepath.Join(dir, "raw"), result.Names)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "README.md"), []byte(page(figures)), 0o644)
}

const head = `# Benchmarks

<!-- Written by ` + "`make bench`" + ` from raw/*.json. -->

Each tool runs as its own program, in turn with the others, on the same server and with the same migrations in its own format. After
each run, the benchmark checks that all tables exist. Compare the ratios: the seconds depend on the machine.

- ` + "`make bench`" + ` runs all figures that need no cluster.
- ` + "`make bench FIGURE=name`" + ` runs one figure.
- ` + "`make bench SHORT=yes`" + ` runs them with small numbers, in minutes.
- ` + "`make bench CLUSTER=yes`" + ` also runs those that need a cluster.

`

func page(figures []result.Figure) string {
	var out strings.Builder
	out.WriteString(head)
	if len(figures) == 0 {
		out.WriteString("No results yet.\n")
		return out.String()
	}
	summary(&out, figures)
	for _, f := range figures {
		figure(&out, f)
	}
	return out.String()
}

// summary writes a table of all goals.
func summary(out *strings.Builder, figures []result.Figure) {
	table := result.Table{Header: []string{"figure", "goal", "measured", "met"}}
	for _, f := range figures {
		for _, g := range f.Goals {
			table.Rows = append(table.Rows, []string{fmt.Sprintf("[%s](#%s)", f.Name, f.Name), g.Goal, g.Value, met(f, g)})
		}
	}
	tabulate(out, table)
}

func met(f result.Figure, g result.Goal) string {
	verdict := "**no**"
	if g.Met {
		verdict = "yes"
	}
	if f.Short {
		verdict += " (short run)"
	}
	return verdict
}

func figure(out *strings.Builder, f result.Figure) {
	fmt.Fprintf(out, "## %s\n\n%s. %s.\n\n", f.Name, f.Title, f.How)
	if f.Short {
		out.WriteString("**A short run with small numbers, which only tests the benchmark.**\n\n")
	}
	for _, g := range f.Goals {
		if g.Note != "" {
			fmt.Fprintf(out, "Goal \"%s\", measured: %s. %s%s.\n\n", g.Goal, g.Value, strings.ToUpper(g.Note[:1]), g.Note[1:])
		}
	}
	for _, t := range f.Tables {
		tabulate(out, t)
	}
	for _, p := range f.Plots {
		fmt.Fprintf(out, "![%s](%s.svg)\n\n", p.Title, p.Name)
	}
	fmt.Fprintf(out, "`make bench FIGURE=%s`, %s, in %s, on %s.%s\n\n", f.Name, f.Taken, f.Took, f.Machine, versions(f.Tools))
}

// versions returns the tools' versions as a sentence with a leading blank, or "".
func versions(tools []result.Tool) string {
	if len(tools) == 0 {
		return ""
	}
	var out []string
	for _, t := range tools {
		out = append(out, t.Name+" "+t.Version)
	}
	return " " + strings.Join(out, ", ") + "."
}

func tabulate(out *strings.Builder, t result.Table) {
	if t.Title != "" {
		out.WriteString("**" + t.Title + "**\n\n")
	}
	line := func(cells []string) { out.WriteString("| " + strings.Join(cells, " | ") + " |\n") }
	line(t.Header)
	rule := make([]string, len(t.Header))
	for i := range rule {
		rule[i] = "---"
	}
	line(rule)
	for _, row := range t.Rows {
		line(row)
	}
	out.WriteString("\n")
}
