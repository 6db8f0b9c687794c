package failure

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/shiplock/shiplock/internal/migrationerror"
	"github.com/shiplock/shiplock/internal/planner"
	"github.com/shiplock/shiplock/internal/rehearsal"
	"github.com/shiplock/shiplock/internal/report"
)

const maxDifferences = 10

func baselineReport(_ error, e *rehearsal.BaselineError) report.Report {
	c := report.Report{Code: report.ExitRefused, Title: fmt.Sprintf("refused: the schema does not match the migration files at version %s", planner.VersionText(e.Version))}
	state := noChanges + "; the scratch database is empty again"
	if e.Failed != nil {
		c.Title = fmt.Sprintf("refused: the migrations up to version %s cannot be applied to the scratch database", planner.VersionText(e.Version))
		c.Add("why", migrationErrorText(e.Failed))
		c.Add("state", state)
		c.Add("next", "correct the files or the scratch database (roles, extensions), or set the baseline without a comparison: --unverified")
		return c
	}
	var lines []string
	for i, d := range e.Differences {
		if i == maxDifferences {
			lines = append(lines, fmt.Sprintf("and %d more", len(e.Differences)-maxDifferences))
			break
		}
		switch d.Change {
		case "added":
			lines = append(lines, d.Object+": only in the database")
		case "removed":
			lines = append(lines, d.Object+": missing in the database")
		default:
			lines = append(lines, fmt.Sprintf("%s: %s in the database, %s in the files", d.Object, cmp.Or(abbreviated(d.After), "empty"), cmp.Or(abbreviated(d.Before), "empty")))
		}
	}
	c.AddFolded("differences", strings.Join(lines, "\n"))
	c.Add("state", state)
	c.Add("next", "specify the version that the schema matches, or change the schema to match\nif the differences do not affect the migrations: --unverified")
	return c
}

// abbreviated returns a definition that fits on a line.
func abbreviated(definition string) string {
	const most = 60
	text := []rune(strings.Join(strings.Fields(definition), " "))
	if len(text) > most {
		return string(text[:most]) + " …"
	}
	return string(text)
}

// migrationErrorText returns a migration's error without the details of the scratch database.
func migrationErrorText(err error) string {
	var migration *migrationerror.Error
	if errors.As(err, &migration) {
		return migration.Error()
	}
	return err.Error()
}
