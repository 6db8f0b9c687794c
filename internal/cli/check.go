package cli

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/shiplock/shiplock/internal/check"
	"github.com/shiplock/shiplock/internal/check/finding"
	checkoutput "github.com/shiplock/shiplock/internal/check/output"
	"github.com/shiplock/shiplock/internal/cli/flags"
	"github.com/shiplock/shiplock/internal/cli/sanitize"
	"github.com/shiplock/shiplock/internal/config"
	"github.com/shiplock/shiplock/internal/notify"
	"github.com/shiplock/shiplock/internal/notify/github"
)

// checkFlags holds the flags that only check has.
type checkFlags struct {
	check.Options
	outputs  []string
	renumber bool
	rules    bool
}

func (a *app) check() *cobra.Command {
	var f checkFlags
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Check the migration files of a pull request, without a database",
		Long:  checkLong,
		Example: `  migrator check --source ./migrations --base origin/main
  migrator check --source ./migrations --base origin/main --renumber
  migrator check --source ./migrations --base origin/main -o text -o gitlab=gl-code-quality-report.json`,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.runCheck(cmd, f) },
	}
	fs := cmd.Flags()
	a.settings.SourceFlag(fs)
	flags.WithEnv(fs).StringVar(&f.Base, "base", "git ref whose files are merged, such as origin/main; by default the remote's default branch, if the clone records it")
	flags.WithEnv(fs).Var(flags.Count(&f.PostgresVersion, fmt.Sprintf("a major version from %d to %d, or 0 for that of .shiplock.yaml", check.OldestPostgres, check.NewestPostgres)),
		"postgres-version", "major version of PostgreSQL that the migrations run on; 0 for that of .shiplock.yaml, by default the newest")
	fs.BoolVar(&f.renumber, "renumber", false, "rename new migrations to versions above the base with git mv, and check nothing")
	fs.BoolVar(&f.rules, "rules", false, "list the rules")
	fs.StringArrayVarP(&f.outputs, "output", "o", []string{"text"}, "output format: text, json, sarif, gitlab, or markdown; FORMAT=FILE writes to a file; repeatable")
	return cmd
}

const checkLong = `Check the migration files without a database, for example in a pull request. check reports duplicate
versions, versions that are not above the base, merged files that were edited, renamed, or deleted,
missing and misnamed files, and contradictory directives. It also reports statements that block or
break a running application, with their locks and the SQL to write instead.

The base is a git ref. Its files are merged: only the files that it does not have are checked. git
needs only the commit of the ref, so that a shallow clone suffices. Without a base, every file is
new.

A comment silences a rule for the statement below it:
  -- shiplock:allow RULE: reason

.shiplock.yaml, in the migrations directory or above it, sets severities. If there is a finding of
severity error, the exit code is 5. In GitHub Actions, each finding is annotated in its file.`

func (a *app) runCheck(cmd *cobra.Command, f checkFlags) error {
	if f.rules {
		return a.listRules()
	}
	outputs := make([]checkoutput.Destination, len(f.outputs))
	for i, value := range f.outputs {
		var err error
		if outputs[i], err = checkoutput.ParseDestination(value); err != nil {
			return &config.UsageError{Problem: err.Error()}
		}
	}
	if err := a.settings.CleanSource(); err != nil {
		return err
	}
	f.Source = a.settings.Source
	if f.renumber {
		return a.renumber(cmd, f.Options)
	}
	r, err := check.Run(cmd.Context(), f.Options)
	var failed *check.FailedError
	if err != nil && !errors.As(err, &failed) {
		return err
	}
	a.annotateChecks(r)
	for _, o := range outputs {
		clean := a.redactor.Redact
		if o.Format.IsJSON() {
			clean = func(s string) string { return a.redactor.Redact(sanitize.JSON([]byte(s))) }
		}
		if err := o.Write(a.console.Stdout(), r, checkoutput.Options{Source: f.Source, Version: version()}, clean); err != nil {
			return &config.UsageError{Problem: err.Error()}
		}
	}
	return err
}

// listRules prints the rules with their severities.
func (a *app) listRules() error {
	for _, r := range finding.Rules {
		if _, err := fmt.Fprintf(a.console.Stdout(), "%-26s  %-7s  %s\n", r.ID, r.Severity, r.Title); err != nil {
			return err
		}
	}
	return nil
}

// renumber renames files and prints their names.
func (a *app) renumber(cmd *cobra.Command, o check.Options) error {
	renames, err := check.Renumber(cmd.Context(), o, time.Now())
	if err != nil {
		return err
	}
	var out strings.Builder
	for _, r := range renames {
		fmt.Fprintf(&out, "%s -> %s\n", sanitize.Line(filepath.Join(o.Source, r.From)), sanitize.Line(r.To))
		if r.Note != "" {
			fmt.Fprintf(&out, "    %s\n", sanitize.Line(r.Note))
		}
	}
	if len(renames) == 0 {
		out.WriteString("nothing to rename\n")
	}
	_, err = io.WriteString(a.console.Stdout(), out.String())
	return err
}

// annotateChecks writes an annotation for each finding in GitHub Actions.
func (a *app) annotateChecks(r check.Result) {
	runner := a.console.GitHub()
	if runner == nil {
		return
	}
	var findings []github.Finding
	for _, f := range r.Findings {
		detail := ""
		if f.Instead != "" {
			detail = "instead:\n" + f.Instead
		}
		findings = append(findings, github.Finding{Kind: f.Rule, Failure: f.Severity == finding.Error, Position: notify.Position{File: sanitize.Line(f.File), Line: f.Line},
			Text: a.redactor.Redact(sanitize.Line(f.Message)), Detail: a.redactor.Redact(detail)})
	}
	if err := runner.Findings("Check: "+checkoutput.Summary(r), findings, a.settings.Source); err != nil {
		a.console.Log().Warn("notification failed", "error", err)
	}
}
