// Package planner decides which migrations to run. It is pure: a catalog, a state and a
// policy give a plan or a refusal, without any I/O.
package planner

import (
	"fmt"
	"slices"

	"github.com/shiplock/shiplock/internal/source"
	"github.com/shiplock/shiplock/internal/sqlfile"
)

// NoVersion is the version of a database without migrations, as in golang-migrate.
const NoVersion = -1

// A Direction is that of a step.
type Direction string

// The directions.
const (
	Up   Direction = "up"
	Down Direction = "down"
)

// State is the state of the database.
type State struct {
	Version int // NoVersion before the first migration
	Dirty   bool
	// Runs has the newest row of the history table for each version; it is empty if there
	// is no history table yet.
	Runs []Run
	// Edited has the applied versions whose files differ from what was applied.
	Edited []uint
	// LineEndings has those of Edited whose files differ only in line endings, with the
	// line endings that were applied.
	LineEndings map[uint]sqlfile.LineEndings
}

// A Run is a row of the history table.
type Run struct {
	Version                            int
	Name                               string
	Direction                          Direction
	Outcome                            Outcome
	StatementsApplied, StatementsTotal int
	// MinCompatibleVersion is the oldest version of the files that is compatible with it;
	// 0 for any.
	MinCompatibleVersion uint
}

// An Outcome is how a run ended.
type Outcome int

// The outcomes of a run.
const (
	Completed        Outcome = iota // by Shiplock or another tool
	RolledBack                      // failed and was rolled back
	PartiallyApplied                // stopped after some statements; it can be resumed
)

// IsApplied reports whether the run's migration is applied. It is false for one that is
// partially applied.
func (r Run) IsApplied() bool {
	return r.Outcome == Completed && r.Direction == Up || r.Outcome == RolledBack && r.Direction == Down
}

// A Step runs one file.
type Step struct {
	Migration source.Migration
	Direction Direction
	Target    int // the version after it
	// Resume is set if StatementsApplied statements of the file are already applied.
	Resume            bool
	StatementsApplied int
}

// File returns the name of the file that the step runs.
func (s Step) File() string {
	if s.Direction == Down {
		return s.Migration.Down
	}
	return s.Migration.Up
}

// A Plan takes a database from one version to another.
type Plan struct {
	From, To int
	Steps    []Step
	// Newer is set if the database is ahead of the files and there is nothing to do.
	Newer bool
	// Ahead has the applied versions above the newest file, as far as the history table
	// has them; set with Newer.
	Ahead []Run
}

// A Refusal is an error of planning that a retry does not fix.
type Refusal struct {
	Reason string // one line
	Why    string // cause
	Next   string // advice
}

func (r *Refusal) Error() string { return r.Reason }

// OnNewer is the action for a database that is ahead of the files.
type OnNewer string

// The values of OnNewer.
const (
	AllowNewer OnNewer = "allow" // log it and do nothing: after a rollback of the release an older image must be able to start
	FailNewer  OnNewer = "fail"
	DownNewer  OnNewer = "down" // roll back the migrations above the files
)

// A Policy has the user's settings.
type Policy struct {
	OnNewer    OnNewer
	OutOfOrder OutOfOrder
	OnEdited   OnEdited
	// RequireDown refuses to apply migrations without a down file.
	RequireDown bool
	Table       string // name of the version table, for messages
}

// OutOfOrder is the action for a pending migration below the database's version, one that
// was merged late.
type OutOfOrder string

// The values of OutOfOrder.
const (
	FailOutOfOrder  OutOfOrder = "fail"
	ApplyOutOfOrder OutOfOrder = "apply"
)

// OnEdited is the action for an applied migration whose file was edited.
type OnEdited string

// The values of OnEdited.
const (
	FailEdited  OnEdited = "fail"
	AllowEdited OnEdited = "allow"
)

// ForUp plans every migration of the files above the database's version. Migrations that
// only the history table has are not run; with DownNewer they are rolled back first.
func ForUp(c *source.Catalog, st State, p Policy) (Plan, error) {
	files := c.Files()
	if p.OnNewer == DownNewer && isAhead(files, st) {
		return planDownAndUp(c, st, p)
	}
	plan, err := startPlan(files, st, p, Up)
	if err != nil {
		return Plan{}, err
	}
	if err := checkMinCompatibleVersion(files, st); err != nil {
		return Plan{}, err
	}
	if st.Version > int(files.Latest()) && len(plan.Steps) == 0 {
		return planAhead(files, st, p)
	}
	if err := checkKnown(files, st); err != nil && len(plan.Steps) == 0 {
		return Plan{}, err
	}
	if err := checkEdited(files, st, p); err != nil {
		return Plan{}, err
	}
	late, err := outOfOrder(files, st, p)
	if err != nil {
		return Plan{}, err
	}
	plan.Steps = append(plan.Steps, late...)
	for _, m := range files.All() {
		if int(m.Version) <= plan.To {
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
	return plan, checkDownFiles(plan, p)
}

// startPlan returns an empty plan, or one that first completes a partially applied migration.
func startPlan(c *source.Catalog, st State, p Policy, d Direction) (Plan, error) {
	if !st.Dirty {
		return Plan{From: st.Version, To: st.Version}, nil
	}
	i := slices.IndexFunc(st.Runs, func(r Run) bool { return r.Outcome == PartiallyApplied })
	if i < 0 {
		return Plan{}, dirtyRefusal(st, p)
	}
	r := st.Runs[i]
	m, ok := c.Find(uint(r.Version))
	step := Step{Migration: m, Direction: r.Direction, Target: st.Version, Resume: true, StatementsApplied: r.StatementsApplied}
	if r.Direction != d && d == Down {
		return Plan{}, &Refusal{
			Reason: fmt.Sprintf("version %d (%s) is partially applied (%d of %d statements)", r.Version, r.Name, r.StatementsApplied, r.StatementsTotal),
			Why:    "its down script rolls back the whole migration, but only a part of it is applied",
			Next:   "complete it with the release that has it (migrator up), then roll back; or roll back its changes manually, then run: migrator repair --rolled-back",
		}
	}
	if r.Direction != d {
		return Plan{}, &Refusal{
			Reason: fmt.Sprintf("the rollback of version %d (%s) is unfinished (%d of %d statements)", r.Version, r.Name, r.StatementsApplied, r.StatementsTotal),
			Why:    "it must be completed before anything else runs",
			Next:   fmt.Sprintf("run: migrator down --to %d", max(st.Version, 0)),
		}
	}
	if !ok || step.File() == "" {
		return Plan{}, &Refusal{
			Reason: fmt.Sprintf("version %d (%s) is partially applied (%d of %d statements), and its %s file is not in %s", r.Version, r.Name, r.StatementsApplied, r.StatementsTotal, r.Direction, c.Origin()),
			Why:    "it can be completed only with its file",
			Next:   "deploy the release that has the file, or resolve it manually, then run migrator repair --applied or --rolled-back",
		}
	}
	from := st.Version // the target of an out-of-order migration or of a rollback is not its own version
	if st.Version == r.Version {
		from = VersionBelow(c, r.Version)
	}
	if d == Down {
		from = r.Version
	}
	return Plan{From: from, To: st.Version, Steps: []Step{step}}, nil
}

// VersionBelow returns the version below v, or NoVersion.
func VersionBelow(c *source.Catalog, v int) int {
	below := NoVersion
	for _, m := range c.All() {
		if int(m.Version) < v {
			below = int(m.Version)
		}
	}
	return below
}

// Resolve returns the version of a database after a run was completed manually (applied)
// or its changes were rolled back manually, and the direction of that change.
func Resolve(c *source.Catalog, st State, r Run, applied bool) (version int, d Direction) {
	late := r.Version < st.Version && r.Direction == Up
	switch {
	case applied:
		return max(st.Version, r.Version), Up
	case late || r.Direction == Down:
		return st.Version, Down
	}
	return VersionBelow(c, r.Version), Down
}

func checkEdited(c *source.Catalog, st State, p Policy) error {
	if len(st.Edited) == 0 || p.OnEdited == AllowEdited {
		return nil
	}
	first := 0 // other changes come before changed line endings
	for i, v := range st.Edited {
		if _, same := st.LineEndings[v]; !same {
			first = i
			break
		}
	}
	m, _ := c.Find(st.Edited[first])
	more := ""
	if n := len(st.Edited) - 1; n > 0 {
		more = fmt.Sprintf(" (and %d more)", n)
	}
	if ran, same := st.LineEndings[m.Version]; same {
		return lineEndingsRefusal(m.Up, more, ran)
	}
	return &Refusal{
		Reason: fmt.Sprintf("checksum mismatch: %s%s was edited after it was applied", m.Up, more),
		Why:    "the edited SQL was never run on this database; changes to comments and white space are ignored",
		Next:   "restore the file and write a new migration, or set --on-edited allow if the database is correct as it is",
	}
}

// outOfOrder returns steps for the pending migrations below the database's version.
func outOfOrder(c *source.Catalog, st State, p Policy) ([]Step, error) {
	if len(st.Runs) == 0 || st.Dirty {
		return nil, nil
	}
	var steps []Step
	isApplied := st.appliedVersions()
	for _, m := range c.All() {
		if int(m.Version) < st.Version && m.Up != "" && !isApplied[int(m.Version)] {
			steps = append(steps, Step{Migration: m, Direction: Up, Target: st.Version})
		}
	}
	if len(steps) == 0 || p.OutOfOrder == ApplyOutOfOrder {
		return steps, nil
	}
	return nil, &Refusal{
		Reason: fmt.Sprintf("out of order: %s is pending, but the database is already at version %d", steps[0].File(), st.Version),
		Why:    "its version is below one that was already applied; golang-migrate would skip it silently",
		Next:   "rename it to a version above the newest, or set --out-of-order apply if it can run now",
	}
}

// appliedVersions returns the versions of the history table, and whether each is applied.
func (st State) appliedVersions() map[int]bool {
	out := make(map[int]bool, len(st.Runs))
	for _, r := range st.Runs {
		out[r.Version] = r.IsApplied()
	}
	return out
}

// Applied returns the catalog's versions, and whether each is applied: those up to the
// database's version, except for those not applied according to the history table, and for
// a partially applied one.
func Applied(c *source.Catalog, st State) map[uint]bool {
	unrecorded := map[int]bool{}
	for _, r := range Unrecorded(c, st) {
		unrecorded[r.Version] = r.Direction == Up
	}
	out, isApplied := map[uint]bool{}, st.appliedVersions()
	for _, m := range c.All() {
		v := int(m.Version)
		known := len(st.Runs) == 0 && !(st.Dirty && v == st.Version)
		out[m.Version] = v <= st.Version && (known || unrecorded[v] || isApplied[v])
	}
	return out
}

// Unrecorded returns the runs of another tool that the history table lacks: up for
// migrations that it applied, down for those that it rolled back.
func Unrecorded(c *source.Catalog, st State) []Run {
	if st.Dirty {
		return nil
	}
	last := NoVersion
	for _, r := range st.Runs {
		if r.IsApplied() {
			last = max(last, r.Version)
		}
	}
	var out []Run
	for _, m := range c.All() {
		if v := int(m.Version); v > last && v <= st.Version {
			out = append(out, Run{Version: v, Name: m.Name, Direction: Up})
		}
	}
	for _, r := range st.Runs {
		if r.IsApplied() && r.Version > st.Version {
			out = append(out, Run{Version: r.Version, Name: r.Name, Direction: Down})
		}
	}
	return out
}

// checkKnown refuses a database whose version is in none of the files, nor in the history
// table if the catalog includes it.
func checkKnown(c *source.Catalog, st State) error {
	if st.Version == NoVersion {
		return nil
	}
	if _, ok := c.Find(uint(st.Version)); ok {
		return nil
	}
	if c != c.Files() && st.Version > int(c.Files().Latest()) {
		return &Refusal{
			Reason: fmt.Sprintf("the database is at version %d, which is neither in the files in %s (newest: %d) nor in the history table", st.Version, c.Origin(), c.Files().Latest()),
			Why:    "another tool applied it, or there is no history table, so its down SQL is unknown",
			Next:   fmt.Sprintf("run this with the image that has the files up to version %d", st.Version),
		}
	}
	return &Refusal{
		Reason: fmt.Sprintf("the database is at version %d, which is not in the files in %s (newest: %d)", st.Version, c.Origin(), c.Files().Latest()),
		Why:    "a file was renamed or removed, or these are the migrations of another application or of an older release",
		Next:   fmt.Sprintf("restore the file of version %d, or correct --source or --table", st.Version),
	}
}

func dirtyRefusal(st State, p Policy) error {
	return &Refusal{
		Reason: fmt.Sprintf("the database is marked dirty at version %s", VersionText(st.Version)),
		Why:    "a migration that does not run in one transaction, or one of another tool, was interrupted; it is unknown which of its statements were applied",
		Next: fmt.Sprintf("compare the schema with the file of version %s and complete it manually, then run: migrator repair --applied\n"+
			"or roll back its changes manually, then run: migrator repair --rolled-back\nthen deploy again (the version table is %s)", VersionText(st.Version), p.Table),
	}
}

// VersionText returns a version, or "none" for NoVersion.
func VersionText(v int) string {
	if v == NoVersion {
		return "none"
	}
	return fmt.Sprint(v)
}
