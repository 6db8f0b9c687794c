package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/shiplock/shiplock/internal/plan"
	"github.com/shiplock/shiplock/internal/postgres"
	"github.com/shiplock/shiplock/internal/source"
)

// BaselineOptions are those of Baseline.
type BaselineOptions struct {
	// Version is what the schema is at. 0 is before the first migration, unless there is a version 0.
	Version uint
	// Scratch is an empty database, on which the migrations give the schema to compare
	// with; nil states the version without a comparison.
	Scratch *postgres.Options
}

// BaselineError is a schema that is not the one that the files give.
type BaselineError struct {
	Version     int
	Differences []postgres.Difference // Before is what the files give, After what the database has
	// Failed is why the files could not be applied to the scratch database.
	Failed error
}

func (e *BaselineError) Error() string {
	if e.Failed != nil {
		return fmt.Sprintf("the migrations up to version %d cannot be applied to the scratch database: %v", e.Version, e.Failed)
	}
	return fmt.Sprintf("the schema is not the one that the files give at version %s: %d differences", versionText(e.Version), len(e.Differences))
}

// Baseline writes a version to the version table of a database that has none, and every
// migration up to it to the history. It runs nothing there. Errors are *BaselineError,
// *plan.Refusal, *postgres.NotScratchError, and those of Up.
func Baseline(ctx context.Context, o Options, b BaselineOptions) (string, error) {
	files, err := open(ctx, o)
	if err != nil {
		return "", err
	}
	version := int(b.Version)
	if _, known := files.Find(b.Version); !known {
		if version != 0 {
			return "", &plan.Refusal{Reason: fmt.Sprintf("there is no version %d in %s (newest: %d)", version, files.Origin(), files.Latest()),
				Why: "a version that the files do not have could not be compared, nor continued from", Next: "name the version of one of the files, or 0 for a database before its first migration"}
		}
		version = plan.NoVersion
	}
	db, err := openPrimary(ctx, o)
	if err != nil {
		return "", err
	}
	defer closeSession(o, db)
	if db.Server.Standby {
		return "", &postgres.ConnectError{Target: db.Target(), Attempts: 1, Err: postgres.ErrStandby, Permanent: true}
	}
	if _, err := baselineRuns(ctx, files, db, version, ""); err != nil {
		return "", err
	}
	outcome := postgres.RunBaselinedUnverified
	var want postgres.Fingerprint
	if b.Scratch != nil {
		outcome = postgres.RunBaselined
		if want, err = schemaAt(ctx, o, files, *b.Scratch, version); err != nil {
			return "", err
		}
	}
	if err := db.Lock(ctx); err != nil {
		return "", err
	}
	runs, err := baselineRuns(ctx, files, db, version, outcome) // another migrator may have been faster
	if err == nil && b.Scratch != nil {
		err = compareSchema(ctx, o, db, want, version)
	}
	if err == nil {
		err = db.Baseline(ctx, postgres.State{Version: version}, runs)
	}
	if err == nil {
		err = db.Unlock(ctx)
	}
	how := "compared with the files"
	if b.Scratch == nil {
		how = "not compared with the files"
	}
	return fmt.Sprintf("the database is at version %s, %s", versionText(version), how), err
}

// baselineRuns lists the rows for the history, or refuses where the database says otherwise.
func baselineRuns(ctx context.Context, files *source.Catalog, db *postgres.DB, version int, outcome string) ([]postgres.Run, error) {
	at, err := db.State(ctx)
	if err != nil {
		return nil, err
	}
	if at.Dirty {
		return nil, &plan.Refusal{Reason: fmt.Sprintf("the database is marked dirty at version %d", at.Version),
			Why: "a migration was partially applied, so the schema is not at any version", Next: "migrator repair --help"}
	}
	if at.Version != plan.NoVersion {
		return nil, &plan.Refusal{Reason: fmt.Sprintf("the database already has a version, %d", at.Version),
			Why: "baseline is for a database that no version is known of", Next: "migrator status shows which migrations are applied; to change the version: migrator down, or migrator up"}
	}
	if err := db.CheckOtherSchemas(ctx, containsVersion(files)); err != nil {
		return nil, err
	}
	history, err := db.LatestRuns(ctx)
	if err != nil {
		return nil, err
	}
	applied := map[int]postgres.Run{}
	newest := plan.NoVersion
	for _, r := range history {
		if runOf(r, false).IsApplied() {
			applied[r.Version], newest = r, r.Version
		}
	}
	if newest != plan.NoVersion && version != newest && version != plan.NoVersion {
		return nil, &plan.Refusal{Reason: fmt.Sprintf("the history has version %d as applied, and not version %d as the newest", newest, version),
			Why: "the version table has lost its row, and the history is what is known of it", Next: baselineAdvice(newest)}
	}
	var runs []postgres.Run
	add := func(r postgres.Run) {
		r.Outcome, r.Started = outcome, time.Now()
		runs = append(runs, r)
	}
	if version == plan.NoVersion {
		for _, r := range slices.Backward(history) {
			if _, is := applied[r.Version]; is {
				add(postgres.Run{Version: r.Version, Name: r.Name, Direction: string(plan.Down), Checksum: r.Checksum})
			}
		}
		return runs, nil
	}
	for _, m := range files.All() {
		v := int(m.Version)
		if _, is := applied[v]; v > version || is && v != version {
			continue
		}
		sum, err := files.Checksum(m.Version)
		if err != nil {
			return nil, err
		}
		if r, is := applied[v]; is {
			sum = r.Checksum
		}
		directives, err := files.Directives(m.Version)
		if err != nil {
			return nil, err
		}
		add(postgres.Run{Version: v, Name: m.Name, Direction: string(plan.Up), Checksum: sum,
			Stored: postgres.StoredMigration{MinCompatibleVersion: directives.MinCompatibleVersion, Irreversible: directives.Irreversible}})
	}
	return runs, nil
}

func versionText(v int) string {
	if v == plan.NoVersion {
		return "none"
	}
	return fmt.Sprint(v)
}

// schemaAt is the schema that the files give at a version, on a scratch database that
// is empty again afterwards.
func schemaAt(ctx context.Context, o Options, files *source.Catalog, scratch postgres.Options, version int) (postgres.Fingerprint, error) {
	real := o.Postgres
	o.Postgres = scratch
	h, err := claimScratch(ctx, o, files, &real)
	if err != nil {
		return postgres.Fingerprint{}, err
	}
	defer closeSession(o, h.db)
	f, err := func() (f postgres.Fingerprint, err error) {
		if version != plan.NoVersion {
			fault, err := h.up(ctx, uint(version))
			if err != nil {
				return f, err
			}
			if fault != nil {
				return f, &BaselineError{Version: version, Failed: fault}
			}
		}
		f, err = h.db.Structure(ctx)
		return h.db.WithoutOwnTables(f), err
	}()
	if ctx.Err() == nil {
		err = errors.Join(err, h.db.ReleaseScratch(ctx))
	}
	return f, err
}

// compareSchema refuses a schema that is another one. It looks by a session of its own:
// behind a pooler the one with the lock has a transaction open.
func compareSchema(ctx context.Context, o Options, db *postgres.DB, want postgres.Fingerprint, version int) error {
	o.Postgres = db.SameTables(o.Postgres)
	looking, err := openPrimary(ctx, o)
	if err != nil {
		return err
	}
	defer closeSession(o, looking)
	have, err := looking.Structure(ctx)
	if err != nil {
		return err
	}
	if d := want.DifferencesWithin(looking.WithoutOwnTables(have)); len(d) > 0 {
		return &BaselineError{Version: version, Differences: d}
	}
	return nil
}
