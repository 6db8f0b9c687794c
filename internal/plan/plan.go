// Package plan decides what to run. It is pure: a catalog, a state and a policy
// give a plan or a refusal, without any I/O.
package plan

import (
	"fmt"
	"slices"

	"github.com/shiplock/shiplock/internal/source"
)

// NoVersion is the version of a database without migrations, as in golang-migrate.
const NoVersion = -1

// Direction of a step.
type Direction string

// The two directions.
const (
	Up   Direction = "up"
	Down Direction = "down"
)

// State is what the database says of itself.
type State struct {
	Version int // NoVersion before the first migration
	Dirty   bool
}

// Step runs one file.
type Step struct {
	Migration source.Migration
	Direction Direction
	Target    int // the version after it
}

// File is the name of the file that the step runs.
func (s Step) File() string {
	if s.Direction == Down {
		return s.Migration.Down
	}
	return s.Migration.Up
}

// Plan is what takes a database from one version to another.
type Plan struct {
	From, To int
	Steps    []Step
	// Newer is set when the database is ahead of the files, and nothing is done.
	Newer bool
}

// Refusal is a reason not to plan. No retry mends it.
type Refusal struct {
	Reason string // what is wrong, one line
	Why    string // what that means
	Next   string // the way out
}

func (r *Refusal) Error() string { return r.Reason }

// OnNewer says what to do with a database that is newer than the files.
type OnNewer string

// The choices of OnNewer.
const (
	AllowNewer OnNewer = "allow" // do nothing, and say so: after a rollback an older image must be able to start
	FailNewer  OnNewer = "fail"
)

// Policy holds the choices that are the user's.
type Policy struct {
	OnNewer OnNewer
	Table   string // name of the version table, for messages
}

// ForUp plans every migration above the database's version.
func ForUp(c *source.Catalog, st State, p Policy) (Plan, error) {
	if st.Dirty {
		return Plan{}, dirty(st, p)
	}
	if st.Version > int(c.Latest()) {
		return newer(c, st, p)
	}
	if err := known(c, st); err != nil {
		return Plan{}, err
	}
	plan := Plan{From: st.Version, To: st.Version}
	for _, m := range c.All() {
		if int(m.Version) <= st.Version {
			continue
		}
		if m.Up == "" {
			return Plan{}, &Refusal{
				Reason: fmt.Sprintf("version %d has a down file, %s, and no up file", m.Version, m.Down),
				Why:    "there is nothing to apply",
				Next:   "add the up file, or remove the down file",
			}
		}
		plan.Steps = append(plan.Steps, Step{Migration: m, Direction: Up, Target: int(m.Version)})
		plan.To = int(m.Version)
	}
	return plan, nil
}

func newer(c *source.Catalog, st State, p Policy) (Plan, error) {
	if p.OnNewer != FailNewer {
		return Plan{From: st.Version, To: st.Version, Newer: true}, nil
	}
	return Plan{}, &Refusal{
		Reason: fmt.Sprintf("the database is at version %d, newer than the newest file here, %d", st.Version, c.Latest()),
		Why:    "an older release would run on a schema that it does not know",
		Next:   "deploy the newer release, or pass --on-newer allow if this one can live with the newer schema",
	}
}

// ForDown plans the way back to version to; NoVersion undoes everything.
func ForDown(c *source.Catalog, st State, to int, p Policy) (Plan, error) {
	if err := downRefused(c, st, to, p); err != nil {
		return Plan{}, err
	}
	plan := Plan{From: st.Version, To: to}
	all := c.All()
	slices.Reverse(all)
	for i, m := range all {
		if int(m.Version) > st.Version {
			continue
		}
		if int(m.Version) <= to {
			break
		}
		if m.Down == "" {
			return Plan{}, &Refusal{
				Reason: fmt.Sprintf("version %d (%s) has no down file", m.Version, m.Name),
				Why:    "it cannot be undone; golang-migrate would lower the version and leave the schema as it is",
				Next:   fmt.Sprintf("add %d_%s.down.sql (an empty one if there is nothing to undo), or go down to %d only", m.Version, m.Name, m.Version),
			}
		}
		target := NoVersion
		if i+1 < len(all) {
			target = int(all[i+1].Version)
		}
		plan.Steps = append(plan.Steps, Step{Migration: m, Direction: Down, Target: target})
	}
	return plan, nil
}

func downRefused(c *source.Catalog, st State, to int, p Policy) error {
	if st.Dirty {
		return dirty(st, p)
	}
	if to > st.Version {
		return &Refusal{
			Reason: fmt.Sprintf("the database is at version %s, below %d", version(st.Version), to),
			Why:    "down only goes down",
			Next:   "use up",
		}
	}
	if err := known(c, st); err != nil {
		return err
	}
	if _, ok := c.Find(uint(max(to, 0))); !ok && to != NoVersion {
		return &Refusal{
			Reason: fmt.Sprintf("there is no version %d in %s", to, c.Origin()),
			Why:    "down stops at a version that there is",
			Next:   "name one that status lists, or 0 to undo all",
		}
	}
	return nil
}

// known refuses a database whose version none of the files has.
func known(c *source.Catalog, st State) error {
	if st.Version == NoVersion {
		return nil
	}
	if _, ok := c.Find(uint(st.Version)); ok {
		return nil
	}
	return &Refusal{
		Reason: fmt.Sprintf("the database is at version %d, which is not among the files in %s (newest: %d)", st.Version, c.Origin(), c.Latest()),
		Why:    "a file was renamed or removed, or these are the migrations of another application or of an older release",
		Next:   fmt.Sprintf("bring the file of version %d back, or point --source (or --table) at the right place", st.Version),
	}
}

func dirty(st State, p Policy) error {
	return &Refusal{
		Reason: fmt.Sprintf("the database is marked dirty at version %s", version(st.Version)),
		Why:    "a migration that does not run in one transaction, or another tool's, stopped part-way; how far it came is not known here",
		Next: fmt.Sprintf("compare the schema with the file of version %s and finish or undo it by hand; then, after finishing, "+
			"UPDATE %s SET dirty = false (after undoing, set version to the one before as well)", version(st.Version), p.Table),
	}
}

func version(v int) string {
	if v == NoVersion {
		return "none"
	}
	return fmt.Sprint(v)
}
