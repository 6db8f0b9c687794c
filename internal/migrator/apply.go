package migrator

import (
	"context"
	"errors"
	"strings"

	"github.com/shiplock/shiplock/internal/database"
	"github.com/shiplock/shiplock/internal/dataloss"
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
	if err := applyPlan(ctx, o, db, d, own); err != nil {
		return Result{}, err
	}
	if err := verifyVersion(ctx, db, p); err != nil {
		return Result{}, &RunError{Plan: p, Applied: len(p.Steps), Err: err}
	}
	return resultOf(p, len(p.Steps)), nil
}

// applyPlan runs the plan's steps in the executor, and explains a failure.
func applyPlan(ctx context.Context, o Options, db *database.Database, d decision, own []lint.OwnObjects) error {
	p := d.plan
	migrations, err := executor.Load(d.catalog, p, d.applied)
	if err != nil {
		return err
	}
	for i, m := range migrations {
		migrations[i].Guard = dataloss.Guard{Active: m.Entry.Direction == source.Down && !o.AllowDataLoss, Own: own[i]}
	}
	if files := d.catalog.Files(); o.recordsDigest(files, p) {
		migrations[len(migrations)-1].FilesDigest = stableDigest(files)
	}
	if err := warnOfIncompatibleChanges(o, p, migrations); err != nil {
		return err
	}
	together := o.TxMode == TxModeAll
	if err := checkRequirements(db, migrations, together); err != nil {
		return err
	}
	defer limitToOneCPU(ctx)()
	applied, executed, err := executor.New(db.Store, db.Locker).Run(ctx, migrations, together)
	if err == nil {
		return nil
	}
	var fail *migrationerror.Error
	if errors.As(err, &fail) {
		diagnose.Explain(ctx, db.Store, fail, migrations[min(executed+1, len(migrations)):])
	}
	return asDataLossError(p, &RunError{Plan: p, Applied: applied, RolledBack: executed - applied, Err: err})
}

// checkRequirements checks all files before the first one runs.
func checkRequirements(db *database.Database, migrations []executor.Migration, together bool) error {
	if !db.Session.Shared && !together {
		return nil
	}
	for _, m := range migrations {
		if err := executor.CheckRequirements(m, together); err != nil {
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
func warnOfIncompatibleChanges(o Options, p planner.Plan, migrations []executor.Migration) error {
	if p.From == planner.NoVersion {
		return nil
	}
	files := make([]compatibility.File, len(migrations))
	for i, m := range migrations {
		files[i] = compatibility.File{Name: m.File, Open: m.Open, Direction: m.Entry.Direction, MinCompatibleVersion: m.Entry.Stored.MinCompatibleVersion}
	}
	changes, err := compatibility.Changes(files)
	for i := 0; i < len(changes); {
		first := changes[i]
		var texts []string
		for ; i < len(changes) && changes[i].File == first.File; i++ {
			texts = append(texts, changes[i].Text)
		}
		o.Log.Warn("change may break older versions of the application", "file", migrations[first.File].File, "line", first.Line,
			"changes", strings.Join(texts, "; "), "add_at_top", "-- "+sqlfile.MinCompatibleVersion+" N")
	}
	return err
}
