package migrator

import (
	"context"
	"errors"
	"strings"

	"github.com/shiplock/shiplock/internal/database"
	"github.com/shiplock/shiplock/internal/diagnose"
	"github.com/shiplock/shiplock/internal/executor"
	"github.com/shiplock/shiplock/internal/history"
	"github.com/shiplock/shiplock/internal/lint"
	"github.com/shiplock/shiplock/internal/lint/compatibility"
	"github.com/shiplock/shiplock/internal/migrationerror"
	"github.com/shiplock/shiplock/internal/planner"
	"github.com/shiplock/shiplock/internal/source"
	"github.com/shiplock/shiplock/internal/sqlfile"
)

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

// applyPlan runs the plan's steps in the executor, and explains a failure.
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
	var fail *migrationerror.Error
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

// warnOfIncompatibleChanges logs the changes that break an older version of the
// application, except for migrations that state their minimum compatible version. An empty
// database has no older version of the application.
func warnOfIncompatibleChanges(o Options, p planner.Plan, steps []lint.Step) error {
	if p.From == planner.NoVersion {
		return nil
	}
	files := make([]compatibility.File, len(steps))
	for i, s := range steps {
		files[i] = compatibility.File{Name: s.File, Open: s.Open, Direction: s.Direction, MinCompatibleVersion: s.Stored.MinCompatibleVersion}
	}
	changes, err := compatibility.Changes(files)
	for i := 0; i < len(changes); {
		first := changes[i]
		var texts []string
		for ; i < len(changes) && changes[i].File == first.File; i++ {
			texts = append(texts, changes[i].Text)
		}
		o.Log.Warn("change may break older versions of the application", "file", steps[first.File].File, "line", first.Line,
			"changes", strings.Join(texts, "; "), "add_at_top", "-- "+sqlfile.MinCompatibleVersion+" N")
	}
	return err
}
