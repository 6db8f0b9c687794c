// Package plan decides what to run. It is pure: a catalog, a state and a policy
// give a plan or a refusal, without any I/O.
package plan

import (
	"fmt"
	"slices"

	"github.com/shiplock/shiplock/internal/source"
	"github.com/shiplock/shiplock/internal/sqlfile"
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
	// Runs is the journal's newest row of each version; empty where it is not kept yet.
	Runs []Run
	// Edited lists the applied versions whose files are not what has run.
	Edited []uint
	// LineEndings has those of Edited whose files differ from what has run in line
	// endings alone, with what the lines ended in then.
	LineEndings map[uint]sqlfile.LineEndings
}

// Run is what the journal says of a version.
type Run struct {
	Version                            int
	Name                               string
	Direction                          Direction
	Outcome                            Outcome
	StatementsApplied, StatementsTotal int // statements
	// MinCompatibleVersion is the oldest version of the files that can live with it; 0 for any.
	MinCompatibleVersion uint
}

// Outcome is how a run ended.
type Outcome int

// The outcomes of a run.
const (
	Completed        Outcome = iota // whoever did it
	RolledBack                      // failed, and left nothing
	PartiallyApplied                // part-way; it can go on
)

// IsApplied says whether the run's migration is applied, as far as it is settled.
func (r Run) IsApplied() bool {
	return r.Outcome == Completed && r.Direction == Up || r.Outcome == RolledBack && r.Direction == Down
}

// Step runs one file.
type Step struct {
	Migration source.Migration
	Direction Direction
	Target    int // the version after it
	// Resume is set where Done statements of the file are in effect already.
	Resume            bool
	StatementsApplied int
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
	// Ahead are the versions in effect that are above the newest file, as far as the
	// journal knows them; set with Newer.
	Ahead []Run
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
	DownNewer  OnNewer = "down" // undo what the files do not have
)

// Policy holds the choices that are the user's.
type Policy struct {
	OnNewer    OnNewer
	OutOfOrder OutOfOrder
	OnEdited   OnEdited
	// RequireDown refuses to apply what has no down file.
	RequireDown bool
	Table       string // name of the version table, for messages
}

// OutOfOrder says what to do with a migration below the database's version that
// has not run: it was merged late.
type OutOfOrder string

// The choices of OutOfOrder.
const (
	FailOutOfOrder  OutOfOrder = "fail"
	ApplyOutOfOrder OutOfOrder = "apply"
)

// OnEdited says what to do when the file of an applied migration has been edited.
type OnEdited string

// The choices of OnEdited.
const (
	FailEdited  OnEdited = "fail"
	AllowEdited OnEdited = "allow"
)

// ForUp plans every migration of the files above the database's version. What only
// the journal knows is not run; with DownNewer it is undone first.
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

// startPlan is an empty plan, or one that first finishes what has stopped part-way.
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
			Reason: fmt.Sprintf("version %d (%s) stopped part-way, after %d of %d statements", r.Version, r.Name, r.StatementsApplied, r.StatementsTotal),
			Why:    "its down undoes the whole of it, and only a part of it is in effect",
			Next:   "finish it with the release that has it (migrator up), and go down then; or undo by hand what it did, then: migrator repair --rolled-back",
		}
	}
	if r.Direction != d {
		return Plan{}, &Refusal{
			Reason: fmt.Sprintf("undoing version %d (%s) stopped part-way, after %d of %d statements", r.Version, r.Name, r.StatementsApplied, r.StatementsTotal),
			Why:    "it has to be finished before anything else runs",
			Next:   fmt.Sprintf("migrator down --to %d", max(st.Version, 0)),
		}
	}
	if !ok || step.File() == "" {
		return Plan{}, &Refusal{
			Reason: fmt.Sprintf("version %d (%s) stopped part-way after %d of %d statements, and its %s file is not in %s", r.Version, r.Name, r.StatementsApplied, r.StatementsTotal, r.Direction, c.Origin()),
			Why:    "it can be finished only with its file",
			Next:   "deploy the release that has the file, or settle it by hand and tell: migrator repair --applied or --rolled-back",
		}
	}
	from := st.Version // of a late one, or of a down, the target is not its own
	if st.Version == r.Version {
		from = VersionBelow(c, r.Version)
	}
	if d == Down {
		from = r.Version
	}
	return Plan{From: from, To: st.Version, Steps: []Step{step}}, nil
}

// VersionBelow is the version below v, or NoVersion.
func VersionBelow(c *source.Catalog, v int) int {
	below := NoVersion
	for _, m := range c.All() {
		if int(m.Version) < v {
			below = int(m.Version)
		}
	}
	return below
}

// Resolve says where a database is after a person has finished a run by hand
// (applied), or undone what it did, and which way that was.
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
	first := 0 // what has changed more than its line endings comes first
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
		Reason: fmt.Sprintf("%s%s was edited after it had been applied", m.Up, more),
		Why:    "what it says now has never run here; comments and white space would not count",
		Next:   "restore the file and write a new migration, or pass --on-edited allow if the database is right as it is",
	}
}

// outOfOrder finds the migrations that were merged below the database's version.
func outOfOrder(c *source.Catalog, st State, p Policy) ([]Step, error) {
	if len(st.Runs) == 0 || st.Dirty {
		return nil, nil
	}
	var steps []Step
	inEffect := st.appliedVersions()
	for _, m := range c.All() {
		if int(m.Version) < st.Version && m.Up != "" && !inEffect[int(m.Version)] {
			steps = append(steps, Step{Migration: m, Direction: Up, Target: st.Version})
		}
	}
	if len(steps) == 0 || p.OutOfOrder == ApplyOutOfOrder {
		return steps, nil
	}
	return nil, &Refusal{
		Reason: fmt.Sprintf("%s has not run, and the database is past it, at version %d", steps[0].File(), st.Version),
		Why:    "it was merged late, below what was already applied; golang-migrate would skip it without a word",
		Next:   "give it a version above the newest, or pass --out-of-order apply if it can run now",
	}
}

// appliedVersions is the set of versions that the journal knows to be applied.
func (st State) appliedVersions() map[int]bool {
	out := make(map[int]bool, len(st.Runs))
	for _, r := range st.Runs {
		out[r.Version] = r.IsApplied()
	}
	return out
}

// Applied is the set of the catalog's versions that are in effect: those up to the
// database's version, but for what the journal knows not to have run, and for the
// one that is part-way.
func Applied(c *source.Catalog, st State) map[uint]bool {
	adopted := map[int]bool{}
	for _, r := range Unrecorded(c, st) {
		adopted[r.Version] = r.Direction == Up
	}
	out, inEffect := map[uint]bool{}, st.appliedVersions()
	for _, m := range c.All() {
		v := int(m.Version)
		known := len(st.Runs) == 0 && !(st.Dirty && v == st.Version)
		out[m.Version] = v <= st.Version && (known || adopted[v] || inEffect[v])
	}
	return out
}

// Unrecorded lists what another tool has done since the journal was last written: runs
// to be added to it, up for what it has applied and down for what it has undone.
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

// checkKnown refuses a database whose version none of the files has, nor the journal
// where the catalog is a union.
func checkKnown(c *source.Catalog, st State) error {
	if st.Version == NoVersion {
		return nil
	}
	if _, ok := c.Find(uint(st.Version)); ok {
		return nil
	}
	if c != c.Files() && st.Version > int(c.Files().Latest()) {
		return &Refusal{
			Reason: fmt.Sprintf("the database is at version %d, which is not among the files in %s (newest: %d), nor in the journal", st.Version, c.Origin(), c.Files().Latest()),
			Why:    "another tool has applied it, or no journal was kept, so nothing here knows what it did",
			Next:   fmt.Sprintf("run this with the image that has the files up to version %d", st.Version),
		}
	}
	return &Refusal{
		Reason: fmt.Sprintf("the database is at version %d, which is not among the files in %s (newest: %d)", st.Version, c.Origin(), c.Files().Latest()),
		Why:    "a file was renamed or removed, or these are the migrations of another application or of an older release",
		Next:   fmt.Sprintf("bring the file of version %d back, or point --source (or --table) at the right place", st.Version),
	}
}

func dirtyRefusal(st State, p Policy) error {
	return &Refusal{
		Reason: fmt.Sprintf("the database is marked dirty at version %s", versionText(st.Version)),
		Why:    "a migration that does not run in one transaction, or another tool's, stopped part-way; how far it came is not known here",
		Next: fmt.Sprintf("compare the schema with the file of version %s and finish it by hand, then: migrator repair --applied\n"+
			"or undo what it did, then: migrator repair --rolled-back\nthen deploy again (the version table is %s)", versionText(st.Version), p.Table),
	}
}

func versionText(v int) string {
	if v == NoVersion {
		return "none"
	}
	return fmt.Sprint(v)
}
