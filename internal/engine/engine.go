// Package engine holds one use case a verb, over config, source, plan and
// postgres. It alone drives migrate.Migrate.
package engine

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/golang-migrate/migrate/v4"
	"github.com/golang-migrate/migrate/v4/database"

	"github.com/shiplock/shiplock/internal/plan"
	"github.com/shiplock/shiplock/internal/postgres"
	"github.com/shiplock/shiplock/internal/source"
)

// Options are what every use case needs.
type Options struct {
	Postgres     postgres.Options
	Source       string // the folder with the migrations
	Unrecognized source.Unrecognized
	Policy       plan.Policy
	// TxMode says what is one transaction in an up: a migration, or all of them.
	TxMode TxMode
	// AllowDataLoss lets a down drop what holds data, and delete rows.
	AllowDataLoss bool
	Log           *slog.Logger

	// forUp is set where all that is pending is to be applied: see settled.
	forUp bool
}

// TxMode says what is one transaction.
type TxMode string

// The choices of TxMode.
const (
	TxModeFile TxMode = "file"
	TxModeAll  TxMode = "all" // all that is pending: a release that fails leaves nothing at all
)

// Result is what a run has done.
type Result struct {
	From, To int // versions, plan.NoVersion for none
	Applied  int // number of migrations run
	Newer    bool
	Ahead    []plan.Run // with Newer: what is in effect above the newest file, as far as the journal knows
	Steps    []plan.Run // what was run, in that order: version, name and direction
}

// DownSteps are the steps that went down.
func (r Result) DownSteps() []plan.Run { return plan.InDirection(r.Steps, plan.Down) }

// RunError is a run that began and did not reach its end.
type RunError struct {
	Plan       plan.Plan
	Applied    int // migrations of the plan that are in effect
	RolledBack int // migrations that had run and were rolled back with the one that failed
	Err        error
}

func (e *RunError) Error() string { return e.Err.Error() }
func (e *RunError) Unwrap() error { return e.Err }

// At is the version that the last completed migration of the run has led to.
func (e *RunError) At() int {
	if e.Applied == 0 {
		return e.Plan.From
	}
	return e.Plan.Steps[e.Applied-1].Target
}

// IncompleteError says that a run ended without an error, and yet the database is
// not where the plan ends.
type IncompleteError struct {
	Want, Got int
	Dirty     bool
}

func (e *IncompleteError) Error() string {
	return fmt.Sprintf("the run ended at version %d (dirty: %t) and not at %d; somebody else changed the version table", e.Got, e.Dirty, e.Want)
}

// TimeoutError is the cause of a context that ran out of time.
type TimeoutError struct{ Limit time.Duration }

func (e *TimeoutError) Error() string {
	return fmt.Sprintf("out of time: --timeout %s is over", e.Limit)
}

// SignalError is the cause of a context that was ended by a signal.
type SignalError struct{ Signal os.Signal }

func (e *SignalError) Error() string {
	if e.Signal == nil {
		return "stopped by a signal"
	}
	if n, ok := e.Signal.(syscall.Signal); ok {
		if name, ok := map[syscall.Signal]string{syscall.SIGTERM: "SIGTERM", syscall.SIGINT: "SIGINT"}[n]; ok {
			return "stopped by " + name
		}
	}
	return "stopped by signal: " + e.Signal.String()
}

// Up applies every migration above the database's version. Errors are those of
// the rooms below: *source.NameError, source.ErrNoMigrations, *plan.Refusal,
// *postgres.ConnectError, *postgres.LockedError, or a *RunError.
func Up(ctx context.Context, o Options) (Result, error) {
	o.forUp = true
	return run(ctx, o, plan.ForUp)
}

// open reads the names of the migrations. A signal or a timeout ends what reads them or,
// later, the files: a network's file system may keep a read for as long as it likes.
func open(ctx context.Context, o Options) (*source.Catalog, error) {
	c, err := source.OpenContext(ctx, o.Source, o.Unrecognized)
	if err == nil && len(c.Ignored()) > 0 {
		o.Log.Warn("files whose names are no migration's were ignored", "files", c.Ignored())
	}
	if err == nil && len(c.UnreadableFolders()) > 0 {
		o.Log.Warn("folders beside the migrations cannot be read; migrations in them do not run", "folders", c.UnreadableFolders())
	}
	return c, err
}

type planner func(*source.Catalog, plan.State, plan.Policy) (plan.Plan, error)

func runPlan(ctx context.Context, o Options, files *source.Catalog, db *postgres.DB, planner planner) (Result, error) {
	d, err := makePlan(ctx, o, files, db, planner)
	if err != nil {
		return Result{}, err
	}
	p := d.plan
	own, err := checkDataLoss(ctx, o, db, d)
	if err != nil {
		return Result{}, err
	}
	if len(d.imports) > 0 {
		o.Log.Info("taking over what another tool has done", "migrations", len(d.imports))
		if err := db.ImportRuns(ctx, d.imports); err != nil {
			return Result{}, err
		}
	}
	if err := db.ReleaseTxLock(ctx); err != nil || len(p.Steps) == 0 {
		return resultOf(p, 0), err
	}
	if versions := p.WithoutDown(); versions != "" {
		o.Log.Warn("no down file: what is applied now cannot be undone by down", "versions", versions)
	}
	if err := applyPlan(ctx, o, d.catalog, db, p, own); err != nil {
		return Result{}, err
	}
	if err := verifyVersion(ctx, db, p); err != nil {
		return Result{}, &RunError{Plan: p, Applied: len(p.Steps), Err: err}
	}
	return resultOf(p, len(p.Steps)), nil
}

// decision is what is to be done, and what it was made from.
type decision struct {
	plan    plan.Plan
	catalog *source.Catalog // it has the texts of the plan's steps; a union where that matters
	imports []postgres.Run  // what is to be journaled of another tool's work
}

// makePlan reads the state and plans.
func makePlan(ctx context.Context, o Options, files *source.Catalog, db *postgres.DB, planner planner) (decision, error) {
	version, clean, err := db.Head(ctx)
	if err == nil {
		err = db.CheckOtherSchemas(ctx, containsVersion(files))
	}
	if err != nil {
		return decision{}, err
	}
	if o.forUp && isUpToDate(files, version, clean) {
		return decision{plan: plan.Plan{From: version.Version, To: version.Version}, catalog: files}, nil
	}
	st, journal, err := readRuns(ctx, files, db, version)
	if err != nil {
		return decision{}, err
	}
	imports, err := unrecordedRuns(files, &st)
	if err != nil {
		return decision{}, err
	}
	catalog := files
	if !o.forUp || o.Policy.OnNewer == plan.DownNewer { // else only the files are planned from
		if catalog, err = withHistory(files, st, journal, imports, o.Policy); err != nil {
			return decision{}, err
		}
	}
	policy := o.Policy
	policy.Table = db.Table()
	p, err := planner(catalog, st, policy)
	if n := len(imports); err == nil && n > 0 && len(p.Steps) == 0 && o.recordsDigest(files, p) {
		imports[n-1].FilesDigest, _ = files.Digest() // what cannot be read is no hindrance to taking it over
	}
	if err == nil {
		err = loadStoredSQL(ctx, catalog, db, p, journal)
	}
	if err == nil && len(p.Steps) > 0 && p.Steps[0].Resume {
		p.Steps[0].StatementsApplied, err = resume(ctx, catalog, db, p.Steps[0], journal)
	}
	return decision{plan: p, catalog: catalog, imports: imports}, err
}

// containsVersion reports whether the files have a version.
func containsVersion(files *source.Catalog) func(uint) bool {
	return func(version uint) bool {
		_, there := files.Find(version)
		return there
	}
}

// unrecordedRuns lists what is to be journaled of another tool's work, and puts it into st.
func unrecordedRuns(catalog *source.Catalog, st *plan.State) ([]postgres.Run, error) {
	adopt := plan.Unrecorded(catalog, *st)
	out, versions := make([]postgres.Run, len(adopt)), make(map[int]bool, len(adopt))
	for i, r := range adopt {
		sum, err := catalog.Checksum(uint(r.Version))
		if err != nil {
			return nil, err
		}
		out[i] = postgres.Run{Version: r.Version, Name: r.Name, Direction: string(r.Direction), Checksum: sum}
		if r.Direction == plan.Up {
			directives, err := catalog.Directives(uint(r.Version))
			if err != nil {
				return nil, err
			}
			adopt[i].MinCompatibleVersion = directives.MinCompatibleVersion
			out[i].Stored = postgres.StoredMigration{MinCompatibleVersion: directives.MinCompatibleVersion, Irreversible: directives.Irreversible}
		}
		versions[r.Version] = true
	}
	st.Runs = append(slices.DeleteFunc(st.Runs, func(old plan.Run) bool { return versions[old.Version] }), adopt...)
	return out, nil
}

// resume finds out where a migration that has stopped part-way goes on.
func resume(ctx context.Context, catalog *source.Catalog, db *postgres.DB, s plan.Step, journal []postgres.Run) (int, error) {
	i := slices.IndexFunc(journal, func(r postgres.Run) bool { return r.Version == int(s.Migration.Version) })
	return db.ResumePoint(ctx, s.File(), func() (io.ReadCloser, error) { return catalog.OpenFile(s.File()) }, journal[i])
}

func resultOf(p plan.Plan, applied int) Result {
	return Result{From: p.From, To: p.To, Applied: applied, Newer: p.Newer, Ahead: p.Ahead, Steps: plan.RunsOf(p.Steps[:applied])}
}

// applyPlan lets golang-migrate's state machine take the plan's steps, one by one,
// through our two drivers.
func applyPlan(ctx context.Context, o Options, catalog *source.Catalog, db *postgres.DB, p plan.Plan, own []postgres.OwnObjects) error {
	steps, err := postgresSteps(catalog, p)
	if err != nil {
		return err
	}
	for i, s := range steps {
		steps[i].GuardDataLoss, steps[i].Own = s.Direction == string(plan.Down) && !o.AllowDataLoss, own[i]
	}
	if files := catalog.Files(); o.recordsDigest(files, p) {
		steps[len(steps)-1].FilesDigest = stableDigest(files)
	}
	if err := warnOfIncompatibleChanges(o, p, steps); err != nil {
		return err
	}
	together := o.TxMode == TxModeAll
	if err := checkRequirements(db, steps, together); err != nil {
		return err
	}
	defer limitToOneCPU(ctx)()
	attempt := func() error { return runSteps(ctx, catalog, db.Driver(ctx, steps, together), p) }
	if together {
		return asDataLossError(p, db.RetryAllOnLockTimeout(ctx, attempt))
	}
	return asDataLossError(p, attempt())
}

// checkRequirements looks at all files before the first is run.
func checkRequirements(db *postgres.DB, steps []postgres.Step, together bool) error {
	if !db.Pooled() && !together {
		return nil
	}
	for _, s := range steps {
		if err := db.CheckRequirements(s, together); err != nil {
			return err
		}
	}
	return nil
}

func runSteps(ctx context.Context, catalog *source.Catalog, driver *postgres.Driver, p plan.Plan) error {
	files := catalog.Driver()
	m, err := migrate.NewWithInstance("shiplock", files, "postgres", driver)
	if err != nil {
		return fmt.Errorf("golang-migrate: %w", err)
	}
	m.LockTimeout = math.MaxInt64 // the driver's own limit is the one that counts
	for i, s := range p.Steps {
		if err := runStep(m, files, s); err != nil {
			return &RunError{Plan: p, Applied: driver.AppliedCount(), RolledBack: i - driver.AppliedCount(), Err: err}
		}
	}
	return nil
}

// readBufferSize is how many bytes of a file golang-migrate holds beside what our driver
// does; its own default, 100 kB, is to be made anew for each of a thousand small ones.
const readBufferSize = 4 << 10

func runStep(m *migrate.Migrate, files *source.Driver, s plan.Step) error {
	read := files.ReadUp
	if s.Direction == plan.Down {
		read = files.ReadDown
	}
	body, name, err := read(s.Migration.Version)
	if err != nil {
		return err
	}
	migration, err := migrate.NewMigration(body, name, s.Migration.Version, s.Target)
	if err != nil {
		return fmt.Errorf("golang-migrate: %w", err)
	}
	migration.BufferSize = readBufferSize
	return m.Run(migration)
}

func postgresSteps(catalog *source.Catalog, p plan.Plan) ([]postgres.Step, error) {
	steps := make([]postgres.Step, len(p.Steps))
	for i, s := range p.Steps {
		opposite := s.Migration.Down
		if s.Direction == plan.Down {
			opposite = s.Migration.Up
		}
		text, err := catalog.Text(opposite, postgres.MaxStoredSQL)
		if err != nil {
			return nil, err
		}
		sum, ran := "", postgres.StoredMigration{}
		if s.Direction == plan.Down { // an up has the sum of what it runs
			sum, err = catalog.Checksum(s.Migration.Version)
		} else {
			ran, err = storedMigration(catalog, s.Migration)
		}
		if err != nil {
			return nil, err
		}
		steps[i] = postgres.Step{
			File: s.File(), Open: func() (io.ReadCloser, error) { return catalog.OpenFile(s.File()) },
			Name: s.Migration.Name, Direction: string(s.Direction), Version: s.Migration.Version, Target: s.Target,
			ReverseSQL: text, Checksum: sum, Stored: ran, Resume: s.Resume, From: p.From, StatementsApplied: s.StatementsApplied,
		}
	}
	return steps, nil
}

// storedMigration is what the journal keeps of a step up beside its SQL. It is also
// where a directive that makes no sense is found, before anything runs.
func storedMigration(catalog *source.Catalog, m source.Migration) (postgres.StoredMigration, error) {
	directives, err := catalog.Directives(m.Version)
	if err != nil {
		return postgres.StoredMigration{}, err
	}
	size, err := catalog.Size(m.Down)
	return postgres.StoredMigration{HasDown: m.Down != "", DownSize: size, MinCompatibleVersion: directives.MinCompatibleVersion, Irreversible: directives.Irreversible}, err
}

// verifyVersion compares what the database says now with where the plan ends. Behind a
// pooler the lock went with the commit, and a newer image may be at work already;
// there each commit has been answered, and the version looked at before it.
func verifyVersion(ctx context.Context, db *postgres.DB, p plan.Plan) error {
	if db.Pooled() {
		return nil
	}
	st, err := db.State(ctx)
	if err != nil {
		return err
	}
	if want := (postgres.State{Version: p.To}); st != want {
		return &IncompleteError{Want: p.To, Got: st.Version, Dirty: st.Dirty}
	}
	return nil
}

// The two spellings of "no version" must agree.
var _ = [1]struct{}{}[plan.NoVersion-database.NilVersion]
