// Package rehearsal applies migrations to a scratch database: [Rehearse] tests that each migration
// can be rolled back and applied again, and returns a [Rehearsal]; [Baseline] sets the version of a
// database after comparing its schema with the one that the files define. cli calls them, and report
// explains their errors.
package rehearsal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"

	"github.com/shiplock/shiplock/internal/database"
	"github.com/shiplock/shiplock/internal/history"
	"github.com/shiplock/shiplock/internal/lint"
	"github.com/shiplock/shiplock/internal/migrationerror"
	"github.com/shiplock/shiplock/internal/migrator"
	"github.com/shiplock/shiplock/internal/planner"
	"github.com/shiplock/shiplock/internal/schema"
	"github.com/shiplock/shiplock/internal/script"
	"github.com/shiplock/shiplock/internal/source"
)

// A FindingKind is the kind of a finding of a rehearsal.
type FindingKind string

// Values of FindingKind. The last two are notes: they do not fail a rehearsal.
const (
	FindingUpFailed        FindingKind = "up failed"
	FindingDownFailed      FindingKind = "down failed"
	FindingNotRestored     FindingKind = "schema not restored" // the schema after the down differs from the one before the up
	FindingMissingDown     FindingKind = "missing down file"   // and the migration is not declared irreversible
	FindingSecondUpFailed  FindingKind = "second up failed"    // after the down
	FindingSecondUpDiffers FindingKind = "second up differs"
	FindingIrreversible    FindingKind = "irreversible" // declared by its directive
	FindingDataLoss        FindingKind = "data loss"    // the down drops or deletes objects that may contain data
)

// A Finding is one finding of a rehearsal.
type Finding struct {
	Kind           FindingKind `json:"kind"`
	FailsRehearsal bool        `json:"fails_rehearsal"` // it fails the rehearsal
	Version        uint        `json:"version"`
	File           string      `json:"file"`
	Line           int         `json:"line"`
	Message        string      `json:"message"`
	// Differences are the objects whose definitions differ.
	Differences []schema.Difference `json:"differences,omitempty"`
}

// A Rehearsal is the result of Rehearse.
type Rehearsal struct {
	Database  string    `json:"database"`
	Rehearsed int       `json:"migrations_rehearsed"` // number of migrations rehearsed
	Total     int       `json:"migrations_total"`     // number of migrations to rehearse; more than Rehearsed if a failure ended the rehearsal
	Findings  []Finding `json:"findings"`
}

// Failures returns the findings that fail the rehearsal.
func (r Rehearsal) Failures() []Finding {
	var out []Finding
	for _, f := range r.Findings {
		if f.FailsRehearsal {
			out = append(out, f)
		}
	}
	return out
}

// A RehearsalError is a rehearsal with failures.
type RehearsalError struct{ Rehearsal }

func (e *RehearsalError) Error() string {
	failures := e.Failures()
	return fmt.Sprintf("rehearsal: %d faults, %d of %d migrations rehearsed; first fault: %s: %s: %s", len(failures), e.Rehearsed, e.Total, failures[0].File, failures[0].Kind, failures[0].Message)
}

// RehearseOptions are the options of Rehearse.
type RehearseOptions struct {
	// From is the version after which the rehearsal starts. Migrations up to it are applied first.
	From *uint
	// Real is the database that must not be used as the scratch database; nil if none is configured.
	Real *database.Options
}

// A rehearsal is a running rehearsal.
type rehearsal struct {
	o     migrator.Options
	files *source.Catalog
	db    *database.Database // holds the lock, and takes the snapshots
	out   Rehearsal
}

// Rehearse applies each migration, rolls it back and applies it again, one by one, on the
// database of o, which must be empty. It compares the schema after each down with the one
// before its up, and empties the database at the end. Errors are *RehearsalError if there
// are failures, *schema.NotScratchError, *RealDatabaseError, *Refusal, and those of Up.
func Rehearse(ctx context.Context, o migrator.Options, r RehearseOptions) (Rehearsal, error) {
	files, err := migrator.OpenFiles(ctx, o)
	if err != nil {
		return Rehearsal{}, err
	}
	if r.From != nil {
		if _, known := files.Find(*r.From); !known {
			return Rehearsal{}, &Refusal{Cause: UnknownStart, Version: int(*r.From), Origin: files.Origin()}
		}
	}
	h, err := claimScratch(ctx, o, files, r.Real)
	if err != nil {
		return Rehearsal{}, err
	}
	defer h.db.Close(h.o.Log)
	err = h.rehearseAll(ctx, r.From)
	if ctx.Err() == nil {
		err = errors.Join(err, h.db.Schema.ReleaseScratch(ctx))
	}
	if err == nil && len(h.out.Failures()) > 0 {
		err = &RehearsalError{h.out}
	}
	return h.out, err
}

// claimScratch locks the scratch database of o and prepares it. real is the database that
// it must not be; nil if none is configured.
func claimScratch(ctx context.Context, o migrator.Options, files *source.Catalog, real *database.Options) (h *rehearsal, err error) {
	holder := o.Postgres
	holder.Tables.ExternalTool, holder.Tables.SkipTableCheck = true, true // another lock than that of the runs; the scratch database is checked below
	db, err := database.OpenPrimary(ctx, holder)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			db.Close(o.Log)
		}
	}()
	if err := checkNotRealDatabase(ctx, o, db, real); err != nil {
		return nil, err
	}
	if err := db.Lock(ctx, nil); err != nil { // two rehearsals on one database would conflict
		return nil, err
	}
	if err := db.Schema.AcquireScratch(ctx); err != nil {
		return nil, err
	}
	return &rehearsal{o: runOptions(o, db), files: files, db: db, out: Rehearsal{Database: db.Session.Target(), Findings: []Finding{}}}, nil
}

// runOptions returns the options of the runs in the scratch database.
func runOptions(o migrator.Options, scratch *database.Database) migrator.Options {
	quiet := slog.New(slog.DiscardHandler)
	o.Log, o.AllowDataLoss = quiet, true
	o.Policy.OutOfOrder = cmp.Or(o.Policy.OutOfOrder, planner.FailOutOfOrder)
	o.Postgres = scratch.SameTables(o.Postgres) // a migration may create a schema that comes first in the search_path
	o.Postgres.Log, o.Postgres.Tables.Identity = quiet, history.Identity{Release: schema.RehearsalRelease}
	return o
}

// checkNotRealDatabase returns an error if the scratch database is the real one.
func checkNotRealDatabase(ctx context.Context, o migrator.Options, db *database.Database, real *database.Options) error {
	if real == nil {
		return nil
	}
	same := &RealDatabaseError{Scratch: db.Session.Target()}
	if real.DSN.String() == o.Postgres.DSN.String() {
		return same
	}
	opts := *real
	opts.WaitForDB, opts.Tables.SkipTableCheck = 0, true
	other, err := database.Open(ctx, opts)
	if pq.As(err, pqerror.InvalidCatalogName) != nil {
		return nil // the real database does not exist
	}
	if err != nil && ctx.Err() == nil && cmp.Or(real.DSN.Database(), real.DSN.User()) == db.Session.Server.Database { // one server has many addresses, and a database many users
		return &RealDatabaseError{Scratch: db.Session.Target(), Unreachable: real.DSN.String()}
	}
	if err != nil {
		o.Log.Warn("cannot reach the database of DATABASE_URL or PGHOST; it differs from the scratch database by name", "database", real.DSN.String())
		return ctx.Err()
	}
	defer other.Close(o.Log)
	realIdentity, err := other.Schema.Identity(ctx)
	if err != nil {
		return err
	}
	scratchIdentity, err := db.Schema.Identity(ctx)
	if err == nil && scratchIdentity == realIdentity {
		return same
	}
	return err
}

func (h *rehearsal) rehearseAll(ctx context.Context, from *uint) error {
	before := planner.NoVersion
	for _, m := range h.files.All() {
		if from == nil || m.Version > *from {
			h.out.Total++
		}
	}
	for _, m := range h.files.All() {
		if from != nil && m.Version <= *from {
			before = int(m.Version)
			continue
		}
		if from != nil && before == int(*from) {
			if _, err := h.up(ctx, *from); err != nil {
				return err
			}
			from = nil
		}
		canContinue, err := h.rehearseOne(ctx, m, before)
		if err != nil || !canContinue {
			return err
		}
		before = int(m.Version)
		h.out.Rehearsed++
	}
	return nil
}

// rehearseOne rehearses one migration. It reports whether the next one can be rehearsed.
func (h *rehearsal) rehearseOne(ctx context.Context, m source.Migration, before int) (canContinue bool, err error) {
	directives, err := h.files.Directives(m.Version)
	if err != nil {
		return false, err
	}
	blank, err := h.snapshot(ctx)
	if err != nil {
		return false, err
	}
	if failure, err := h.up(ctx, m.Version); err != nil || failure != nil {
		h.addFailure(FindingUpFailed, m, m.Up, failure)
		return false, err
	}
	full, err := h.snapshot(ctx)
	if err != nil {
		return false, err
	}
	switch {
	case directives.Irreversible:
		h.addFinding(Finding{Kind: FindingIrreversible, Version: m.Version, File: m.Up, Message: "marked -- shiplock:irreversible; its down script was not run"})
		return true, nil
	case m.Down == "":
		h.addFinding(Finding{Kind: FindingMissingDown, FailsRehearsal: true, Version: m.Version, File: m.Up,
			Message: fmt.Sprintf("%s does not exist; write it, or add -- shiplock:irreversible to the up file", strings.Replace(m.Up, ".up.", ".down.", 1))})
		return true, nil
	}
	if err := h.findDataLoss(m); err != nil {
		return false, err
	}
	failure, err := h.run(ctx, func(c *source.Catalog, st planner.State, p planner.Policy) (planner.Plan, error) {
		return planner.ForDown(c, st, before, p)
	})
	if err != nil {
		return false, err
	}
	if failure != nil {
		h.addFailure(FindingDownFailed, m, m.Down, failure)
		return h.rebuild(ctx, m)
	}
	return h.verifyDown(ctx, m, blank, full)
}

// verifyDown compares the schema after the down, and applies the migration again.
func (h *rehearsal) verifyDown(ctx context.Context, m source.Migration, blank, full schema.Fingerprint) (bool, error) {
	left, err := h.snapshot(ctx)
	if err != nil {
		return false, err
	}
	clean := h.compare(FindingNotRestored, m, m.Down, "the down script does not restore the schema that existed before the up script", blank, left)
	failure, err := h.up(ctx, m.Version)
	if err != nil {
		return false, err
	}
	if failure != nil {
		if clean { // otherwise it follows from what the down left
			h.addFailure(FindingSecondUpFailed, m, m.Up, failure)
		}
		return h.rebuild(ctx, m)
	}
	now, err := h.snapshot(ctx)
	if err != nil {
		return false, err
	}
	if clean {
		clean = h.compare(FindingSecondUpDiffers, m, m.Up, "applying the migration again after its down script gives a different schema", full, now)
	}
	if !clean { // what this migration left must not affect the next one
		return h.rebuild(ctx, m)
	}
	return true, nil
}

// rebuild empties the database and applies the migrations up to a version.
func (h *rehearsal) rebuild(ctx context.Context, m source.Migration) (bool, error) {
	if err := h.db.Schema.ResetScratch(ctx); err != nil {
		return false, err
	}
	failure, err := h.up(ctx, m.Version)
	return failure == nil, err
}

func (h *rehearsal) compare(kind FindingKind, m source.Migration, file, text string, want, got schema.Fingerprint) bool {
	d := want.Differences(got)
	if len(d) > 0 {
		h.addFinding(Finding{Kind: kind, FailsRehearsal: true, Version: m.Version, File: file, Message: text, Differences: d})
	}
	return len(d) == 0
}

// findDataLoss adds a note if the down drops or deletes objects that may contain data.
func (h *rehearsal) findDataLoss(m source.Migration) error {
	what, line, err := lint.DescribeDestructiveChanges(m.Down, h.files.Opener(m.Down))
	if len(what) > 0 {
		h.addFinding(Finding{Kind: FindingDataLoss, Version: m.Version, File: m.Down, Line: line, Message: "the down script drops or deletes objects that may contain data: " + strings.Join(what, ", ")})
	}
	return err
}

func (h *rehearsal) snapshot(ctx context.Context) (schema.Fingerprint, error) {
	f, err := h.db.Schema.Fingerprint(ctx)
	return h.db.Schema.WithoutOwnTables(f), err
}

func (h *rehearsal) up(ctx context.Context, version uint) (failure, err error) {
	return h.run(ctx, func(c *source.Catalog, st planner.State, p planner.Policy) (planner.Plan, error) {
		return planner.ForUp(c.Files().UpTo(version), st, p)
	})
}

// run separates failures of the migration from other errors.
func (h *rehearsal) run(ctx context.Context, plan migrator.PlanFunc) (failure, err error) {
	_, err = migrator.Run(ctx, h.o, plan)
	if ctx.Err() == nil {
		err = errors.Join(err, h.db.Schema.RecordCreated(ctx)) // so that the next rehearsal recognizes these objects if this one is killed
	}
	var (
		migration *migrationerror.Error
		script    *script.ScriptError
	)
	if ctx.Err() == nil && !migrator.IsConnectionLost(err) && (errors.As(err, &migration) || errors.As(err, &script) || migrator.IsRefused(err)) {
		return err, nil
	}
	return nil, err
}

func (h *rehearsal) addFailure(kind FindingKind, m source.Migration, file string, failure error) {
	if failure == nil {
		return
	}
	f := Finding{Kind: kind, FailsRehearsal: true, Version: m.Version, File: file, Message: failure.Error()}
	var migration *migrationerror.Error
	var script *script.ScriptError
	if errors.As(failure, &migration) {
		f.Line, _ = migration.Position()
		f.Message = migration.Err.Error()
	} else if errors.As(failure, &script) {
		f.Line = script.Line
	}
	h.addFinding(f)
}

func (h *rehearsal) addFinding(f Finding) {
	f.Line = max(f.Line, 1)
	h.out.Findings = append(h.out.Findings, f)
}
