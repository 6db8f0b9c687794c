package report

import (
	"cmp"
	"fmt"
	"time"

	"github.com/shiplock/shiplock/internal/planner"
	"github.com/shiplock/shiplock/internal/source"
	"github.com/shiplock/shiplock/internal/text"
)

// MaxCommandTitle is the most bytes of a command in a title.
const MaxCommandTitle = 80

// Result is the result of a successful run.
type Result struct {
	From, To   int // versions, planner.NoVersion for none
	Applied    int // migrations run, up or down
	Newer      bool
	RolledBack []source.Migration // those of Applied that were rolled back
	Took       time.Duration
	// ToolCommand and Changes are those of exec: the command without secrets, and the number
	// of schema changes.
	ToolCommand string
	Changes     int
	// ChangesUnknown reports whether Changes is unknown.
	ChangesUnknown bool
}

// A SuccessReport describes a successful run.
type SuccessReport struct {
	Title string // what was done
	Where string // database and release
}

// String returns two lines.
func (s SuccessReport) String() string { return "shiplock: " + s.Title + "\n  " + s.Where + "\n" }

// Success returns the report of a successful run.
func Success(d Result, run Run) SuccessReport {
	title := text.OneLine(text.Clean(text.Clip(d.description(run.Command), maxTitle)))
	where := "database " + cmp.Or(run.Database, "unknown")
	if name := run.String(); name != "" {
		where += "; release " + name
	}
	return SuccessReport{Title: title, Where: text.OneLine(text.Clean(where))}
}

func (d Result) description(command string) string {
	took := d.Took.Round(10 * time.Millisecond)
	switch {
	case command == "exec" && d.ChangesUnknown:
		return fmt.Sprintf("%s succeeded in %s; the schema could not be compared", text.Clip(d.ToolCommand, MaxCommandTitle), took)
	case command == "exec":
		return fmt.Sprintf("%s succeeded in %s, with %s", text.Clip(d.ToolCommand, MaxCommandTitle), took, text.Plural(d.Changes, "schema change"))
	case command == "wait":
		return fmt.Sprintf("schema is up to date: %s; waited %s", DatabaseAt(d.To), took)
	case d.Newer:
		return fmt.Sprintf("no changes were made: %s, ahead of the migration files", DatabaseAt(d.To))
	case d.Applied == 0:
		return fmt.Sprintf("nothing to do: %s", DatabaseAt(d.To))
	case len(d.RolledBack) > 0:
		applied := ""
		if n := d.Applied - len(d.RolledBack); n > 0 {
			applied = fmt.Sprintf(" and %d applied", n)
		}
		return fmt.Sprintf("%s (%s): %s rolled back%s in %s; rolled back: %s", DatabaseAt(d.To), previously(d.From), text.Plural(len(d.RolledBack), "migration"), applied, took, planner.Names(d.RolledBack))
	}
	return fmt.Sprintf("%s (%s): %s applied in %s", DatabaseAt(d.To), previously(d.From), text.Plural(d.Applied, "migration"), took)
}

// DatabaseAt describes the version of a database.
func DatabaseAt(v int) string {
	if v == planner.NoVersion {
		return "database has no migrations applied"
	}
	return fmt.Sprintf("database is at version %d", v)
}

// previously describes the version of the database before a run.
func previously(v int) string {
	if v == planner.NoVersion {
		return "previously none"
	}
	return fmt.Sprintf("previously %d", v)
}
