// Package checkfailure builds the failure reports of migrator check: findings of severity error, a
// base that git cannot read, and an invalid settings file. Package outcome asks it for the report of
// an error before package failure.
package checkfailure

import (
	"errors"
	"fmt"
	"strings"

	"github.com/shiplock/shiplock/internal/check"
	"github.com/shiplock/shiplock/internal/check/finding"
	"github.com/shiplock/shiplock/internal/check/gitbase"
	"github.com/shiplock/shiplock/internal/report"
	"github.com/shiplock/shiplock/internal/text"
)

// Build returns the report of an error of migrator check; false for other errors.
func Build(err error) (report.Report, bool) {
	var (
		failed   *check.FailedError
		base     *gitbase.Error
		settings *check.SettingsError
	)
	switch {
	case errors.As(err, &failed):
		return findings(failed), true
	case errors.As(err, &base):
		return unreadableBase(base), true
	case errors.As(err, &settings):
		return invalidSettings(settings), true
	}
	return report.Report{}, false
}

// maxLines is the number of findings that a report lists.
const maxLines = 12

// findings describes files for which migrator check has findings of severity error.
func findings(e *check.FailedError) report.Report {
	total := finding.Count(e.Result.Findings, finding.Error)
	c := report.Report{Code: report.ExitRefused, Title: "check: " + text.Plural(total, "error")}
	var lines []string
	for _, f := range e.Result.Findings {
		if f.Severity != finding.Error {
			continue
		}
		if len(lines) == maxLines {
			lines = append(lines, fmt.Sprintf("and %d more", total-maxLines))
			break
		}
		lines = append(lines, fmt.Sprintf("%s:%d: %s", f.File, f.Line, f.Rule))
	}
	c.AddFolded("errors", strings.Join(lines, "\n"))
	c.Add("next", "correct the files listed here; the reasons are printed above. If a finding is intended, silence it above its statement: -- shiplock:allow RULE: reason")
	return c
}

// unreadableBase describes a base that git cannot read.
func unreadableBase(e *gitbase.Error) report.Report {
	c := report.Report{Code: report.ExitUsage, Title: e.Error()}
	if e.Advice != "" {
		c.Add("next", e.Advice)
	}
	return c
}

// invalidSettings describes an invalid settings file.
func invalidSettings(e *check.SettingsError) report.Report {
	c := report.Report{Code: report.ExitUsage, Title: "invalid settings file: " + e.Error()}
	c.Add("next", "correct "+e.File)
	return c
}
