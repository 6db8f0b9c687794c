// Package checkfailure builds the failure reports of migrator check: findings of severity error, a
// base that git cannot read, and an invalid settings file. Package failure calls its functions by
// the type of the error.
package checkfailure

import (
	"fmt"
	"strings"

	"github.com/shiplock/shiplock/internal/check"
	"github.com/shiplock/shiplock/internal/check/finding"
	"github.com/shiplock/shiplock/internal/check/gitbase"
	"github.com/shiplock/shiplock/internal/report"
	"github.com/shiplock/shiplock/internal/text"
)

// maxLines is the number of findings that a report lists.
const maxLines = 12

// Findings describes files for which migrator check has findings of severity error.
func Findings(_ error, e *check.FailedError) report.Report {
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

// Base describes a base that git cannot read.
func Base(_ error, e *gitbase.Error) report.Report {
	c := report.Report{Code: report.ExitUsage, Title: e.Error()}
	if e.Advice != "" {
		c.Add("next", e.Advice)
	}
	return c
}

// Settings describes an invalid settings file.
func Settings(_ error, e *check.SettingsError) report.Report {
	c := report.Report{Code: report.ExitUsage, Title: "invalid settings file: " + e.Error()}
	c.Add("next", "correct "+e.File)
	return c
}
