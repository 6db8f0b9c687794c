package main

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/shiplock/shiplock/hack/schema"
	"github.com/shiplock/shiplock/internal/cli/flags"
)

// CommandLine returns the reference of the command line: each command with its flags, and the exit codes.
func CommandLine(root *cobra.Command, exitCodes string) string {
	var out strings.Builder
	out.WriteString("# Command line\n\n<!-- Generated from the commands by `make generate`. -->\n\n")
	out.WriteString(paragraphs(root.Long) + "\n\n")
	out.WriteString("A flag takes precedence over its environment variable, and the variable over the default. An empty variable counts as not set.\n\n")
	out.WriteString("| Command | Description |\n|---|---|\n")
	for _, command := range commands(root) {
		fmt.Fprintf(&out, "| [`%s`](#%s) | %s |\n", command.CommandPath(), anchor(command), cell(command.Short))
	}
	out.WriteString("\nThe [exit codes](#exit-codes) are the same for all commands.\n")
	for _, command := range commands(root) {
		fmt.Fprintf(&out, "\n## %s\n\n```text\n%s\n```\n\n", command.CommandPath(), command.UseLine())
		out.WriteString(paragraphs(longText(command)) + "\n")
		if command.Example != "" {
			fmt.Fprintf(&out, "\nExamples:\n\n```sh\n%s\n```\n", unindented(command.Example))
		}
		if rows := flagRows(command.LocalFlags()); rows != "" {
			out.WriteString("\n| Flag | Variable | Default | Description |\n|---|---|---|---|\n" + rows)
		}
	}
	out.WriteString("\n## Exit codes\n\n| Code | Meaning |\n|---|---|\n")
	for _, line := range strings.Split(exitCodes, "\n") {
		if m := exitCode.FindStringSubmatch(line); m != nil {
			fmt.Fprintf(&out, "| `%s` | %s |\n", m[1], cell(m[2]))
		}
	}
	return out.String()
}

var exitCode = regexp.MustCompile(`^  ([0-9]\S*) +(.*)$`)

// commands returns the commands that a user sees.
func commands(root *cobra.Command) []*cobra.Command {
	var visible []*cobra.Command
	for _, command := range root.Commands() {
		if command.IsAvailableCommand() {
			visible = append(visible, command)
		}
	}
	return visible
}

func anchor(command *cobra.Command) string {
	return strings.ReplaceAll(command.CommandPath(), " ", "-")
}

func longText(command *cobra.Command) string {
	if command.Long != "" {
		return command.Long
	}
	return strings.TrimSuffix(command.Short, ".") + "."
}

// flagRows returns the rows of a table of flags.
func flagRows(fs *pflag.FlagSet) string {
	var rows strings.Builder
	fs.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" {
			return
		}
		kind, usage := pflag.UnquoteUsage(f)
		name := "--" + f.Name
		if f.Shorthand != "" {
			name = "-" + f.Shorthand + ", " + name
		}
		if kind != "" {
			name += " " + kind
		}
		fmt.Fprintf(&rows, "| `%s` | %s | %s | %s |\n", name, codes(flags.Variables(f)), codes([]string{strings.TrimPrefix(f.DefValue, "[]")}), cell(sentence(usage)))
	})
	return rows.String()
}

// variableNote is the end of a flag's usage, which repeats the variable for --help.
var variableNote = regexp.MustCompile(` \(\$SHIPLOCK_[A-Z_]+\)`)

// sentence returns a flag's usage as a sentence, without the variable, which has a column of its own.
func sentence(usage string) string {
	usage = strings.TrimSpace(variableNote.ReplaceAllString(usage, ""))
	if first, rest, _ := strings.Cut(usage, " "); first == strings.ToLower(first) && !strings.ContainsAny(first, ":/$.,") {
		usage = strings.ToUpper(first[:1]) + first[1:] + strings.TrimRight(" "+rest, " ")
	}
	return strings.TrimSuffix(usage, ".") + "."
}

func codes(texts []string) string {
	var quoted []string
	for _, text := range texts {
		if text != "" {
			quoted = append(quoted, "`"+text+"`")
		}
	}
	return strings.ReplaceAll(strings.Join(quoted, ", "), "|", `\|`)
}

func cell(text string) string {
	return strings.ReplaceAll(escaped(strings.Join(strings.Fields(text), " ")), "|", `\|`)
}

// escaped returns text as Markdown that renders as the same text.
func escaped(text string) string {
	return strings.NewReplacer("<", "&lt;", "*", `\*`).Replace(text)
}

// paragraphs returns help text as Markdown: indented lines become a block of code.
func paragraphs(help string) string {
	var out []string
	for _, paragraph := range regexp.MustCompile(`\n{2,}`).Split(strings.Trim(help, "\n"), -1) {
		switch {
		case strings.HasPrefix(paragraph, "  "):
			out = append(out, "```text\n"+unindented(paragraph)+"\n```")
		case strings.Contains(paragraph, "\n  "):
			introduction, block, _ := strings.Cut(paragraph, "\n  ")
			out = append(out, escaped(introduction)+"\n\n```text\n"+unindented("  "+block)+"\n```")
		default:
			out = append(out, escaped(paragraph))
		}
	}
	return strings.Join(out, "\n\n")
}

// unindented removes two blanks from each line.
func unindented(block string) string {
	lines := strings.Split(strings.Trim(block, "\n"), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimPrefix(line, "  ")
	}
	return strings.Join(lines, "\n")
}

// ChartValues returns the reference of the chart's values: a table of the top level, and one for each map.
func ChartValues(values []schema.Value) string {
	var out strings.Builder
	out.WriteString("# Chart values\n\n<!-- Generated from chart/values.yaml by `make generate`. -->\n\n")
	out.WriteString("The [chart README](../../chart/README.md) describes how to use them. In a parent chart, they are below the chart's name or alias.\n")
	section := func(title, introduction string, include func(schema.Value) bool) {
		var rows strings.Builder
		for _, v := range values {
			if v.Documented && include(v) {
				fmt.Fprintf(&rows, "| `%s` | %s | %s |\n", v.Path, codes([]string{v.Default}), valueCell(v.Description))
			}
		}
		if rows.Len() == 0 {
			return
		}
		fmt.Fprintf(&out, "\n## %s\n\n", title)
		if introduction != "" {
			out.WriteString(introduction + "\n\n")
		}
		out.WriteString("| Value | Default | Description |\n|---|---|---|\n" + rows.String())
	}
	top := func(v schema.Value) string { name, _, _ := strings.Cut(v.Path, "."); return name }
	section("Top level", "", func(v schema.Value) bool { return !strings.Contains(v.Path, ".") })
	introductions, seen := map[string]string{}, map[string]bool{}
	for _, v := range values {
		if !v.Documented && !strings.Contains(v.Path, ".") {
			introductions[v.Path] = v.Description
		}
	}
	for _, v := range values {
		name := top(v)
		if seen[name] || !strings.Contains(v.Path, ".") {
			continue
		}
		seen[name] = true
		section("`"+name+"`", introductions[name], func(v schema.Value) bool { return strings.HasPrefix(v.Path, name+".") })
	}
	return out.String()
}

// valueCell returns a comment, which is Markdown, as a table's cell.
func valueCell(comment string) string {
	return strings.ReplaceAll(comment, "|", `\|`)
}
