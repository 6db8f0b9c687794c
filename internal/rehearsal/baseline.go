package rehearsal

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/shiplock/shiplock/internal/database"
	"github.com/shiplock/shiplock/internal/history"
	"github.com/shiplock/shiplock/internal/migrator"
	"github.com/shiplock/shiplock/internal/planner"
	"github.com/shiplock/shiplock/internal/postgres"
	"github.com/shiplock/shiplock/internal/schema"
	"github.com/shiplock/shiplock/internal/source"
	"github.com/shiplock/shiplock/internal/state"
)

// BaselineOptions are the options of Baseline.
type BaselineOptions struct {
	// Version is the version of the schema. 0 means before the first migration, unless there is a version 0.
	Version uint
	// Scratch is an empty database to which the migrations are applied to get the expected
	// schema; nil sets the version without a comparison.
	Scratch *database.Options
}

// A BaselineError reports a schema that differs from the one that the files define.
type BaselineError struct {
	Version     int
	Differences []schema.Difference // Before is the definition from the files, After the one in the database
	// Failed is why the files could not be applied to the scratch database.
	Failed error
}

func (e *BaselineError) Error() string {
	if e.Failed != nil {
		return fmt.Sprintf("the migrations up to version %d cannot be applied to the scratch database: %v", e.Version, e.Failed)
	}
	return fmt.Sprintf("the schema differs from the migration files at version %s: %d differences", planner.VersionText(e.Version), len(e.Differences))
}

// Baseline sets the version of a database that has none, and records every migration up to
// it in the history table. It runs no migration on that database. Errors are
// *BaselineError, *Refusal, *planner.Refusal, *schema.NotScratchError, *RealDatabaseError, and those of Up.
func Baseline(ctx context.Context, o migrator.Options, b BaselineOptions) (string, error) {
	files, err := migrator.OpenFiles(ctx, o)
	if err != nil {
		return "", err
	}
	version := int(b.Version)
	if _, known := files.Find(b.Version); !known {
		if version != 0 {
			return "", &Refusal{Cause: UnknownBaseline, Version: version, Origin: files.Origin(), Newest: files.Latest()}
		}
		version = planner.NoVersion
	}
	db, err := database.OpenPrimary(ctx, o.Postgres)
	if err != nil {
		return "", err
	}
	defer db.Close(o.Log)
	if db.Session.Server.Standby {
		return "", &postgres.ConnectError{Target: db.Session.Target(), Attempts: 1, Err: postgres.ErrStandby, Permanent: true}
	}
	if _, err := baselineRuns(ctx, files, db, version, ""); err != nil {
		return "", err
	}
	outcome := history.BaselinedUnverified
	var want schema.Fingerprint
	if b.Scratch != nil {
		outcome = history.Baselined
		if want, err = schemaAt(ctx, o, files, *b.Scratch, version); err != nil {
			return "", err
		}
	}
	if err := db.Lock(ctx, nil); err != nil {
		return "", err
	}
	runs, err := baselineRuns(ctx, files, db, version, outcome) // another migrator may have run in the meantime
	if err == nil && b.Scratch != nil {
		err = compareSchema(ctx, o, db, want, version)
	}
	if err == nil {
		err = db.Store.Baseline(ctx, history.State{Version: version}, runs)
	}
	if err == nil {
		err = db.Locker.Unlock(ctx)
	}
	how := "compared with the files"
	if b.Scratch == nil {
		how = "not compared with the files"
	}
	return fmt.Sprintf("the database is at version %s, %s", planner.VersionText(version), how), err
}

// baselineRuns returns the rows for the history table. It refuses a database that already has a version.
func baselineRuns(ctx context.Context, files *source.Catalog, db *database.Database, version int, outcome string) ([]history.Entry, error) {
	at, err := db.Store.State(ctx)
	if err != nil {
		return nil, err
	}
	if at.Dirty {
		return nil, &Refusal{Cause: Dirty, At: at.Version}
	}
	if at.Version != planner.NoVersion {
		return nil, &Refusal{Cause: HasVersion, At: at.Version}
	}
	if err := db.Store.CheckOtherSchemas(ctx, state.ContainsVersion(files)); err != nil {
		return nil, err
	}
	entries, err := db.Store.LatestEntries(ctx)
	if err != nil {
		return nil, err
	}
	applied := map[int]history.Entry{}
	newest := planner.NoVersion
	for _, r := range entries {
		if (planner.State{}).IsApplied(r) { // at.Dirty is false
			applied[r.Version], newest = r, r.Version
		}
	}
	if newest != planner.NoVersion && version != newest && version != planner.NoVersion {
		return nil, &Refusal{Cause: OtherNewestRecorded, Version: version, At: newest}
	}
	var runs []history.Entry
	add := func(r history.Entry) {
		r.Outcome, r.Started = outcome, time.Now()
		runs = append(runs, r)
	}
	if version == planner.NoVersion {
		for _, r := range slices.Backward(entries) {
			if _, is := applied[r.Version]; is {
				add(history.Entry{Version: r.Version, Name: r.Name, Direction: source.Down, Checksum: r.Checksum})
			}
		}
		return runs, nil
	}
	for _, m := range files.All() {
		v := int(m.Version)
		if _, is := applied[v]; v > version || is && v != version {
			continue
		}
		e := history.Entry{Version: v, Name: m.Name, Direction: source.Up}
		if err := state.AddFile(files, &e); err != nil {
			return nil, err
		}
		if r, is := applied[v]; is {
			e.Checksum = r.Checksum
		}
		add(e)
	}
	return runs, nil
}

// schemaAt returns the schema that the files define at a version. It applies them to a
// scratch database, which is empty again afterwards.
func schemaAt(ctx context.Context, o migrator.Options, files *source.Catalog, scratch database.Options, version int) (schema.Fingerprint, error) {
	real := o.Postgres
	o.Postgres = scratch
	h, err := claimScratch(ctx, o, files, &real)
	if err != nil {
		return schema.Fingerprint{}, err
	}
	defer h.db.Close(o.Log)
	f, err := func() (f schema.Fingerprint, err error) {
		if version != planner.NoVersion {
			failure, err := h.up(ctx, uint(version))
			if err != nil {
				return f, err
			}
			if failure != nil {
				return f, &BaselineError{Version: version, Failed: failure}
			}
		}
		f, err = h.db.Schema.Structure(ctx)
		return h.db.Schema.WithoutOwnTables(f), err
	}()
	if ctx.Err() == nil {
		err = errors.Join(err, h.db.Schema.ReleaseScratch(ctx))
	}
	return f, err
}

// compareSchema returns a *BaselineError if the schema differs. It uses a separate session,
// because behind a pooler the session with the lock has an open transaction.
func compareSchema(ctx context.Context, o migrator.Options, db *database.Database, want schema.Fingerprint, version int) error {
	o.Postgres = db.SameTables(o.Postgres)
	second, err := database.OpenPrimary(ctx, o.Postgres)
	if err != nil {
		return err
	}
	defer second.Close(o.Log)
	have, err := second.Schema.Structure(ctx)
	if err != nil {
		return err
	}
	if d := want.DifferencesWithin(second.Schema.WithoutOwnTables(have)); len(d) > 0 {
		return &BaselineError{Version: version, Differences: d}
	}
	return nil
}
