// Package github shows a run in GitHub Actions: annotations of the files, a step's summary, and
// a filter that keeps all other output from containing workflow commands.
//
// A Runner writes the commands; StepSummary is a channel of package notify; a Finding is an
// error or a note about a migration file. Package cli and its package console call it.
package github

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"sync"

	"github.com/shiplock/shiplock/internal/notify"
	"github.com/shiplock/shiplock/internal/text"
)

// maxAnnotations is GitHub's limit for warnings per step.
const maxAnnotations = 10

// A Runner is the GitHub Actions runner. Its methods send workflow commands, which it reads from the
// output of a step. Filter keeps all other output from containing such commands.
type Runner struct {
	mu       sync.Mutex
	out      *filter
	filters  []*filter
	warnings int
	root     string // GITHUB_WORKSPACE
	summary  string // GITHUB_STEP_SUMMARY, a file; may be empty
}

// New returns nil outside of GitHub Actions. It writes commands to out.
func New(getenv func(string) string, out io.Writer) *Runner {
	if getenv("GITHUB_ACTIONS") != "true" {
		return nil
	}
	g := &Runner{root: getenv("GITHUB_WORKSPACE"), summary: getenv("GITHUB_STEP_SUMMARY")}
	g.out = g.filter(out)
	return g
}

// Close writes the bytes that are held back. Call it after all output.
func (g *Runner) Close() error {
	var errs []error
	for _, f := range g.filters {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}

// Out returns the writer of the commands, filtered for all other output.
func (g *Runner) Out() io.Writer { return g.out }

// Filter returns w, filtered for all output other than commands.
func (g *Runner) Filter(w io.Writer) io.Writer { return g.filter(w) }

func (g *Runner) filter(w io.Writer) *filter {
	f := &filter{to: w}
	g.filters = append(g.filters, f)
	return f
}

// Annotate annotates the message's position in the repository. source is the migrations
// directory.
func (g *Runner) Annotate(m notify.Message, source string) error {
	if m.Succeeded() {
		return g.command("notice", "", 0, 0, "shiplock", m.Report)
	}
	_, rest, _ := strings.Cut(m.Report, "\n")
	rest = strings.ReplaceAll(strings.TrimPrefix(rest, "  "), "\n  ", "\n") // the report's margin
	position := m.Position
	if position == nil {
		position = &notify.Position{}
	}
	return g.command("error", g.path(source, position.File), position.Line, position.Column, m.Title, rest)
}

// Warn annotates a warning, at a position if there is one. It ignores warnings above
// GitHub's limit.
func (g *Runner) Warn(title, text, source string, at notify.Position) error {
	g.mu.Lock()
	g.warnings++
	tooMany := g.warnings > maxAnnotations
	g.mu.Unlock()
	if tooMany {
		return nil
	}
	return g.command("warning", g.path(source, at.File), at.Line, at.Column, title, text)
}

func (g *Runner) command(name, file string, line, column int, title, details string) error {
	var properties []string
	add := func(key, value string) {
		if value != "" && value != "0" {
			properties = append(properties, key+"="+escapeProperty(value))
		}
	}
	if file != "" {
		add("file", file)
		add("line", fmt.Sprint(line))
		add("col", fmt.Sprint(column))
	}
	add("title", text.Clip(text.OneLine(title), 200))
	return g.out.command("::" + name + " " + strings.Join(properties, ",") + "::" + escapeData(text.Clip(strings.TrimSpace(details), 8<<10)))
}

// path returns the path of a file in the repository, or "" if it is not there: SQL stored in
// the history table has no file.
func (g *Runner) path(source, file string) string {
	full, err := filepath.Abs(filepath.Join(source, file))
	if err != nil || g.root == "" || file == "" {
		return ""
	}
	if full, err = filepath.EvalSymlinks(full); err != nil {
		return ""
	}
	root := g.root
	if real, err := filepath.EvalSymlinks(root); err == nil {
		root = real
	}
	path, err := filepath.Rel(root, full)
	if err != nil || !filepath.IsLocal(path) {
		return ""
	}
	return filepath.ToSlash(path)
}

// The runner reverses these escapes (actions/runner, ActionCommand.cs), % last.
var (
	dataEscapes     = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	propertyEscapes = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
)

func escapeData(s string) string     { return dataEscapes.Replace(s) }
func escapeProperty(s string) string { return propertyEscapes.Replace(s) }

// StepSummary returns the channel that adds the report to the summary of a step, or nil
// outside of GitHub Actions.
func StepSummary(getenv func(string) string) *notify.Channel {
	file := getenv("GITHUB_STEP_SUMMARY")
	if getenv("GITHUB_ACTIONS") != "true" || file == "" {
		return nil
	}
	return &notify.Channel{Name: "GitHub step summary", Send: func(_ context.Context, m notify.Message) error {
		return appendFile(file, summary(m))
	}}
}

// summary returns the report in a code fence.
func summary(m notify.Message) string {
	return "\n### Database migrations: " + m.Outcome + "\n\n" + fenced(m.Report)
}
