// Package migrator implements the commands that migrate and repair (up, down, plan, repair): a function
// for each, with [Options], such as [Up], which returns a [Result] or a [RunError]. cli, rehearsal, and
// status call it, and report explains its errors.
package migrator

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"

	"github.com/shiplock/shiplock/internal/database"
	"github.com/shiplock/shiplock/internal/diagnose"
	"github.com/shiplock/shiplock/internal/executor"
	"github.com/shiplock/shiplock/internal/history"
	"github.com/shiplock/shiplock/internal/lint"
	"github.com/shiplock/shiplock/internal/planner"
	"github.com/shiplock/shiplock/internal/script"
	"github.com/shiplock/shiplock/internal/source"
)

// Options are the options that all commands share.
type Options struct {
	Postgres     database.Options
	Source       string // the migrations directory
	Unrecognized source.Unrecognized
	Policy       planner.Policy
	// TxMode is the transaction scope of an up.
	TxMode TxMode
	// AllowDataLoss allows rollbacks that drop tables or columns containing data, or delete rows.
	AllowDataLoss bool
	Log           *slog.Logger

	// forUp is set if all pending migrations are to be applied; see isUpToDate.
	forUp bool
}

// A TxMode is a transaction scope.
type TxMode string

// Values of TxMode.
const (
	TxModeFile TxMode = "file"
	TxModeAll  TxMode = "all" // all pending migrations: if one fails, all are rolled back
)

// A Result is the outcome of a successful run.
type Result struct {
	From, To int // versions, planner.NoVersion for none
	Applied  int // number of migrations run
	Newer    bool
	Ahead    []planner.Run // with Newer: applied migrations above the newest file that the history table records
	Steps    []planner.Run // the migrations run, in order: version, name and direction
}

// DownSteps returns the steps that rolled a migration back.
func (r Result) DownSteps() []planner.Run { return planner.InDirection(r.Steps, planner.Down) }

// A RunError is a run that started and did not complete.
type RunError struct {
	Plan       planner.Plan
	Applied    int // number of migrations of the plan that were applied
	RolledBack int // number of migrations that had run and were rolled back with the one that failed
	Err        error
}

func (e *RunError) Error() string { return e.Err.Error() }
func (e *RunError) Unwrap() error { return e.Err }

// At returns the version after the last completed migration of the run.
func (e *RunError) At() int {
	if e.Applied == 0 {
		return e.Plan.From
	}
	return e.Plan.Steps[e.Applied-1].Target
}

// An IncompleteError reports that a run ended without an error, but the database is
// not at the version the plan ends with.
type IncompleteError struct {
	Want, Got int
	Dirty     bool
}

func (e *IncompleteError) Error() string {
	return fmt.Sprintf("the database is at version %d (dirty: %t) after the run, not at %d: another process changed the version table", e.Got, e.Dirty, e.Want)
}

// Up applies every migration above the database's version. Errors are those of the
// packages it uses (*source.NameError, source.ErrNoMigrations, *planner.Refusal, *Refusal,
// *postgres.ConnectError, *postgres.LockedError) or a *RunError.
func Up(ctx context.Context, o Options) (Result, error) {
	o.forUp = true
	return Run(ctx, o, planner.ForUp)
}

// OpenFiles reads the names of the migrations. A signal or a timeout interrupts this read and
// later reads of the files: on a network file system a read can block indefinitely.
func OpenFiles(ctx context.Context, o Options) (*source.Catalog, error) {
	c, err := source.OpenContext(ctx, o.Source, o.Unrecognized)
	if err == nil && len(c.Ignored()) > 0 {
		o.Log.Warn("ignoring .sql files with invalid names", "files", c.Ignored())
	}
	if err == nil && len(c.UnreadableSubdirectories()) > 0 {
		o.Log.Warn("ignoring unreadable subdirectories", "directories", c.UnreadableSubdirectories())
	}
	return c, err
}

// A PlanFunc makes a plan from the migrations, the state of the database and the policy.
type PlanFunc func(*source.Catalog, planner.State, planner.Policy) (planner.Plan, error)

func runPlan(ctx context.Context, o Options, files *source.Catalog, db *database.Database, plan PlanFunc) (Result, error) {
	d, err := makePlan(ctx, o, files, db, plan)
	if err != nil {
		return Result{}, err
	}
	p := d.plan
	own, err := checkDataLoss(ctx, o, db, d)
	if err != nil {
		return Result{}, err
	}
	if len(d.imports) > 0 {
		o.Log.Info("importing existing migration history", "migrations", len(d.imports))
		if err := db.Store.Import(ctx, d.imports); err != nil {
			return Result{}, err
		}
	}
	if err := db.Locker.Release(ctx); err != nil || len(p.Steps) == 0 {
		return resultOf(p, 0), err
	}
	if versions := p.WithoutDown(); versions != "" {
		o.Log.Warn("migrations without a down file cannot be rolled back", "versions", versions)
	}
	if err := applyPlan(ctx, o, d.catalog, db, p, own); err != nil {
		return Result{}, err
	}
	if err := verifyVersion(ctx, db, p); err != nil {
		return Result{}, &RunError{Plan: p, Applied: len(p.Steps), Err: err}
	}
	return resultOf(p, len(p.Steps)), nil
}

// A decision is a plan and what it was made from.
type decision struct {
	plan    planner.Plan
	catalog *source.Catalog // has the SQL of the plan's steps, including SQL from the history table if needed
	imports []history.Entry // another tool's migrations, to be recorded in the history table
}

// makePlan reads the state of the database and makes a plan.
func makePlan(ctx context.Context, o Options, files *source.Catalog, db *database.Database, plan PlanFunc) (decision, error) {
	version, clean, err := db.Store.Head(ctx)
	if err == nil {
		err = db.Store.CheckOtherSchemas(ctx, ContainsVersion(files))
	}
	if err != nil {
		return decision{}, err
	}
	if o.forUp && isUpToDate(files, version, clean) {
		return decision{plan: planner.Plan{From: version.Version, To: version.Version}, catalog: files}, nil
	}
	st, entries, err := readRuns(ctx, files, db, version)
	if err != nil {
		return decision{}, err
	}
	imports, err := unrecordedRuns(files, &st)
	if err != nil {
		return decision{}, err
	}
	catalog := files
	if !o.forUp || o.Policy.OnNewer == planner.DownNewer { // otherwise the plan is made from the files alone
		if catalog, err = WithHistory(files, st, entries, imports, o.Policy); err != nil {
			return decision{}, err
		}
	}
	policy := o.Policy
	policy.Table = db.Store.Table.String()
	p, err := plan(catalog, st, policy)
	if n := len(imports); err == nil && n > 0 && len(p.Steps) == 0 && o.recordsDigest(files, p) {
		imports[n-1].FilesDigest, _ = files.Digest() // an unreadable file does not prevent the import
	}
	if err == nil {
		catalog, err = withStoredSQL(ctx, catalog, db, p, entries)
	}
	if err == nil && len(p.Steps) > 0 && p.Steps[0].Resume {
		p.Steps[0].StatementsApplied, err = resumePoint(ctx, catalog, db, p.Steps[0], entries)
	}
	return decision{plan: p, catalog: catalog, imports: imports}, err
}

// ContainsVersion returns a function that reports whether the files have a version.
func ContainsVersion(files *source.Catalog) func(uint) bool {
	return func(version uint) bool {
		_, there := files.Find(version)
		return there
	}
}

// unrecordedRuns returns another tool's migrations that are to be recorded, and adds them to st.
func unrecordedRuns(catalog *source.Catalog, st *planner.State) ([]history.Entry, error) {
	adopt := planner.Unrecorded(catalog, *st)
	out, versions := make([]history.Entry, len(adopt)), make(map[int]bool, len(adopt))
	for i, r := range adopt {
		sum, err := catalog.Checksum(uint(r.Version))
		if err != nil {
			return nil, err
		}
		out[i] = history.Entry{Version: r.Version, Name: r.Name, Direction: string(r.Direction), Checksum: sum}
		if r.Direction == planner.Up {
			directives, err := catalog.Directives(uint(r.Version))
			if err != nil {
				return nil, err
			}
			adopt[i].MinCompatibleVersion = directives.MinCompatibleVersion
			out[i].Stored = history.StoredMigration{MinCompatibleVersion: directives.MinCompatibleVersion, Irreversible: directives.Irreversible}
		}
		versions[r.Version] = true
	}
	st.Runs = append(slices.DeleteFunc(st.Runs, func(old planner.Run) bool { return versions[old.Version] }), adopt...)
	return out, nil
}

// resumePoint returns the number of statements of a partially applied migration that are applied.
func resumePoint(ctx context.Context, catalog *source.Catalog, db *database.Database, s planner.Step, entries []history.Entry) (int, error) {
	i := slices.IndexFunc(entries, func(r history.Entry) bool { return r.Version == int(s.Migration.Version) })
	return db.Resumer.ResumePoint(ctx, s.File(), func() (io.ReadCloser, error) { return catalog.OpenFile(s.File()) }, entries[i])
}

func resultOf(p planner.Plan, applied int) Result {
	return Result{From: p.From, To: p.To, Applied: applied, Newer: p.Newer, Ahead: p.Ahead, Steps: planner.RunsOf(p.Steps[:applied])}
}

// applyPlan runs the plan's steps one by one through golang-migrate and the source and
// database drivers.
func applyPlan(ctx context.Context, o Options, catalog *source.Catalog, db *database.Database, p planner.Plan, own []lint.OwnObjects) error {
	steps, err := postgresSteps(catalog, p)
	if err != nil {
		return err
	}
	for i, s := range steps {
		steps[i].GuardDataLoss, steps[i].Own = s.Direction == string(planner.Down) && !o.AllowDataLoss, own[i]
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
	applied, executed, err := executor.New(db.Store, db.Locker).Run(ctx, steps, together)
	if err == nil {
		return nil
	}
	var fail *executor.MigrationError
	if errors.As(err, &fail) {
		diagnose.Explain(ctx, db.Store, fail, steps[min(executed+1, len(steps)):])
	}
	return asDataLossError(p, &RunError{Plan: p, Applied: applied, RolledBack: executed - applied, Err: err})
}

// checkRequirements checks all files before the first one runs.
func checkRequirements(db *database.Database, steps []lint.Step, together bool) error {
	if !db.Session.Shared && !together {
		return nil
	}
	for _, s := range steps {
		if err := executor.CheckRequirements(s, together); err != nil {
			return err
		}
	}
	return nil
}

func postgresSteps(catalog *source.Catalog, p planner.Plan) ([]lint.Step, error) {
	steps := make([]lint.Step, len(p.Steps))
	for i, s := range p.Steps {
		opposite := s.Migration.Down
		if s.Direction == planner.Down {
			opposite = s.Migration.Up
		}
		text, err := catalog.Text(opposite, script.MaxStoredSQL)
		if err != nil {
			return nil, err
		}
		sum, ran := "", history.StoredMigration{}
		if s.Direction == planner.Down { // an up computes the checksum of the SQL it runs
			sum, err = catalog.Checksum(s.Migration.Version)
		} else {
			ran, err = storedMigration(catalog, s.Migration)
		}
		if err != nil {
			return nil, err
		}
		steps[i] = lint.Step{
			File: s.File(), Open: func() (io.ReadCloser, error) { return catalog.OpenFile(s.File()) },
			Name: s.Migration.Name, Direction: string(s.Direction), Version: s.Migration.Version, Target: s.Target,
			ReverseSQL: text, Checksum: sum, Stored: ran, Resume: s.Resume, From: p.From, StatementsApplied: s.StatementsApplied,
		}
	}
	return steps, nil
}

// storedMigration returns what the history table stores of an up beside its SQL. It also
// rejects invalid directives before anything runs.
func storedMigration(catalog *source.Catalog, m source.Migration) (history.StoredMigration, error) {
	directives, err := catalog.Directives(m.Version)
	if err != nil {
		return history.StoredMigration{}, err
	}
	size, err := catalog.Size(m.Down)
	return history.StoredMigration{HasDown: m.Down != "", DownSize: size, MinCompatibleVersion: directives.MinCompatibleVersion, Irreversible: directives.Irreversible}, err
}

// verifyVersion compares the database's version with the version the plan ends with.
// Behind a pooler the lock is released at each commit, so a newer image may already be
// running; there every commit was confirmed, and its version checked beforehand.
func verifyVersion(ctx context.Context, db *database.Database, p planner.Plan) error {
	if db.Session.Shared {
		return nil
	}
	st, err := db.Store.State(ctx)
	if err != nil {
		return err
	}
	if want := (history.State{Version: p.To}); st != want {
		return &IncompleteError{Want: p.To, Got: st.Version, Dirty: st.Dirty}
	}
	return nil
}
