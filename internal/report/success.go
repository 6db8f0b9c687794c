package report

import (
	"cmp"
	"fmt"
	"time"

	"github.com/shiplock/shiplock/internal/plan"
)

// Done is what a run that ended well has done.
type Done struct {
	From, To int // versions, plan.NoVersion for none
	Applied  int // migrations run, or undone
	Newer    bool
	Undone   []plan.Run // those of the applied that were undone
	Took     time.Duration
	// Command and Changes are those of exec: what ran, without secrets, and in how many
	// ways the schema is different now.
	Command string
	Changes int
	// Uncompared says that Changes is not known.
	Uncompared bool
}

// Success tells in two lines what was done, and where.
func Success(d Done, run Run) string {
	out := "shiplock: " + oneLine(clean(Clip(d.what(run.Verb), maxTitle))) + "\n"
	where := "database " + cmp.Or(run.Database, "not known")
	if name := run.String(); name != "" {
		where += "; release " + name
	}
	return out + "  " + oneLine(clean(where)) + "\n"
}

func (d Done) what(verb string) string {
	took := d.Took.Round(10 * time.Millisecond)
	switch {
	case verb == "exec" && d.Uncompared:
		return fmt.Sprintf("%s succeeded in %s; the schema could not be compared", Clip(d.Command, maxToolTitle), took)
	case verb == "exec":
		return fmt.Sprintf("%s succeeded in %s, with %s of the schema", Clip(d.Command, maxToolTitle), took, Counted(d.Changes, "change"))
	case verb == "wait":
		return fmt.Sprintf("the schema is there: the database is %s; waited %s", at(d.To), took)
	case d.Newer:
		return fmt.Sprintf("nothing was done: the database is %s, newer than the files", at(d.To))
	case d.Applied == 0:
		return fmt.Sprintf("nothing to do: the database is %s", at(d.To))
	case len(d.Undone) > 0:
		applied := ""
		if n := d.Applied - len(d.Undone); n > 0 {
			applied = fmt.Sprintf(" and %d applied", n)
		}
		return fmt.Sprintf("the database is %s, was %s: %s undone%s in %s; undone: %s", at(d.To), at(d.From), Counted(len(d.Undone), "migration"), applied, took, plan.Names(d.Undone))
	}
	return fmt.Sprintf("the database is %s, was %s: %s applied in %s", at(d.To), at(d.From), Counted(d.Applied, "migration"), took)
}

// Counted is a number of things: "1 migration", "2 migrations".
func Counted(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
