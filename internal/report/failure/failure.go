// Package failure builds the failure report of an error: what failed, on what, why, the state of the
// database, and the next step, with the exit code.
//
// [Report] tries one builder for each type of error, in order. Each family of errors has a file, whose
// builders turn the fields of the typed errors of packages migrator, postgres, planner, source and config
// into words. No code here decides by the text of an error. Package advice has the next steps after
// errors of PostgreSQL. Package cli calls Report.
package failure

import (
	"errors"

	"github.com/shiplock/shiplock/internal/report"
	"github.com/shiplock/shiplock/internal/report/advice"
)

// Report returns the failure report for the error of a run, with its exit code. redact hides secrets
// that the error's texts may hold.
func Report(err error, run report.Run, redact func(string) string) report.Report {
	return build(err, run).Complete(run, redact)
}

func build(err error, run report.Run) report.Report {
	for _, builder := range builders {
		if c, ok := builder(err); ok {
			return c
		}
	}
	return otherReport(err, run)
}

// builders are tried in order: an error often wraps others, of which the first in this list decides.
var builders = []func(error) (report.Report, bool){
	of(waitReport),
	of(toolReport),
	of(earlierToolReport),
	of(staleLockReport),
	of(newerToolReport),
	of(startReport),
	of(dataLossReport),
	of(baselineReport),
	of(scriptReport),
	of(migrationReport),
	of(unknownOutcomeReport),
	of(sessionStateReport),
	of(changedReport),
	of(sessionRequiredReport),
	of(separateTransactionReport),
	of(rehearsalReport),
	of(notScratchReport),
	of(realDatabaseReport),
	of(tableReport),
	of(refusalReport(advice.Refusal)),
	of(refusalReport(advice.EmptyTable)),
	of(refusalReport(advice.Repair)),
	of(refusalReport(advice.Rehearsal)),
	of(invalidNameReport),
	of(unreadableFileReport),
	of(lockedReport),
	of(connectReport),
	of(secretReport),
}

// of returns a builder for errors of one type. build also gets the error that wraps it.
func of[E error](build func(err error, e E) report.Report) func(error) (report.Report, bool) {
	return func(err error) (report.Report, bool) {
		var e E
		if !errors.As(err, &e) {
			return report.Report{}, false
		}
		return build(err, e), true
	}
}
