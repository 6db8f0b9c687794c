package report

import (
	"cmp"
	"fmt"
	"time"

	"github.com/shiplock/shiplock/internal/plan"
)

// Result is what a run that ended well has done.
type Result struct {
	From, To   int // versions, plan.NoVersion for none
	Applied    int // migrations run, or undone
	Newer      bool
	RolledBack []plan.Run // those of the applied that were undone
	Took       time.Duration
	// ToolCommand and Changes are those of exec: what ran, without secrets, and in how many
	// ways the schema is different now.
	ToolCommand string
	Changes     int
	// ChangesUnknown says that Changes is not known.
	ChangesUnknown bool
}

// Success tells in two lines what was done, and where.
func Success(d Result, run Run) string {
	out := "shiplock: " + oneLine(clean(Clip(d.description(run.Command), maxTitle))) + "\n"
	where := "database " + cmp.Or(run.Database, "not known")
	if name := run.String(); name != "" {
		where += "; release " + name
	}
	return out + "  " + oneLine(clean(where)) + "\n"
}

func (d Result) description(verb string) string {
	took := d.Took.Round(10 * time.Millisecond)
	switch {
	case verb == "exec" && d.ChangesUnknown:
		return fmt.Sprintf("%s succeeded in %s; the schema could not be compared", Clip(d.ToolCommand, maxToolTitle), took)
	case verb == "exec":
		return fmt.Sprintf("%s succeeded in %s, with %s of the schema", Clip(d.ToolCommand, maxToolTitle), took, Plural(d.Changes, "change"))
	case verb == "wait":
		return fmt.Sprintf("the schema is there: the database is %s; waited %s", atVersion(d.To), took)
	case d.Newer:
		return fmt.Sprintf("nothing was done: the database is %s, newer than the files", atVersion(d.To))
	case d.Applied == 0:
		return fmt.Sprintf("nothing to do: the database is %s", atVersion(d.To))
	case len(d.RolledBack) > 0:
		applied := ""
		if n := d.Applied - len(d.RolledBack); n > 0 {
			applied = fmt.Sprintf(" and %d applied", n)
		}
		return fmt.Sprintf("the database is %s, was %s: %s undone%s in %s; undone: %s", atVersion(d.To), atVersion(d.From), Plural(len(d.RolledBack), "migration"), applied, took, plan.Names(d.RolledBack))
	}
	return fmt.Sprintf("the database is %s, was %s: %s applied in %s", atVersion(d.To), atVersion(d.From), Plural(d.Applied, "migration"), took)
}

// Plural is a number of things: "1 migration", "2 migrations".
func Plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
