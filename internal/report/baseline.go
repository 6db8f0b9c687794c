package report

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/shiplock/shiplock/internal/engine"
	"github.com/shiplock/shiplock/internal/postgres"
)

const maxDifferences = 10

func baselineCard(e *engine.BaselineError) Card {
	c := Card{Code: ExitRefused, Title: fmt.Sprintf("refused: the schema is not the one that the files give at version %s", version(e.Version))}
	state := "nothing was written; the scratch database is empty again"
	if e.Failed != nil {
		c.Title = fmt.Sprintf("refused: the migrations up to version %s cannot be applied to the scratch database", version(e.Version))
		c.add("why", failure(e.Failed))
		c.add("state", state)
		c.add("next", "correct the files or the scratch database (roles, extensions), or state the version without a comparison: --unverified")
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
			lines = append(lines, fmt.Sprintf("%s: %s in the database, %s by the files", d.Object, cmp.Or(short(d.After), "empty"), cmp.Or(short(d.Before), "empty")))
		}
	}
	c.addFolded("differs", strings.Join(lines, "\n"))
	c.add("state", state)
	c.add("next", "name the version that the schema is at, or change the schema to match\nif the differences do not matter to the migrations: --unverified")
	return c
}

// short is a definition that fits on a line.
func short(definition string) string {
	const most = 60
	text := []rune(strings.Join(strings.Fields(definition), " "))
	if len(text) > most {
		return string(text[:most]) + " …"
	}
	return string(text)
}

// failure is a migration's error without what is only of the scratch database.
func failure(err error) string {
	var migration *postgres.MigrationError
	if errors.As(err, &migration) {
		return migration.Error()
	}
	return err.Error()
}
