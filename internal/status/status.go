// Package status reads a database and changes nothing: [ReadStatus] compares it with the migration
// files, [ReadHistory] lists the runs, and [Wait] waits until the schema is up to date. cli calls
// them, and report explains a [WaitError].
package status

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/shiplock/shiplock/internal/database"
	"github.com/shiplock/shiplock/internal/migrator"
	"github.com/shiplock/shiplock/internal/planner"
	"github.com/shiplock/shiplock/internal/source"
	"github.com/shiplock/shiplock/internal/state"
	"github.com/shiplock/shiplock/internal/toolrun"
)

// A Status compares a database with the migration files.
type Status struct {
	Database string `json:"database"` // user@host:port/name
	Table    string `json:"table"`    // schema.table
	Version  *uint  `json:"version"`  // null before the first migration
	Dirty    bool   `json:"dirty"`
	Latest   uint   `json:"latest"` // the newest version of the files
	// VersionInFiles reports whether a file has the database's version.
	VersionInFiles bool `json:"version_in_files"`
	// Edited lists the applied versions whose files were edited afterwards.
	Edited []uint `json:"edited,omitempty"`
	// LineEndings lists those of Edited whose files differ only in line endings.
	LineEndings []uint     `json:"line_endings_only,omitempty"`
	Pending     []FileInfo `json:"pending"`
	Applied     []FileInfo `json:"applied"`
	// LastFailure is the last run, if it did not complete.
	LastFailure *Failure `json:"last_failure,omitempty"`
	// Tool is the last run of an external tool (exec), if there was one.
	Tool *toolrun.ToolRun `json:"external_tool,omitempty"`
}

// A FileInfo is one migration, with its last run from the history table.
type FileInfo struct {
	Version uint     `json:"version"`
	Name    string   `json:"name"`
	Run     *RunInfo `json:"run,omitempty"`
	// FromHistory is set for a version that only the history table has.
	FromHistory bool `json:"from_history,omitempty"`
	// MinCompatibleVersion is the oldest version of the files that is compatible with it, if the migration states one.
	MinCompatibleVersion uint `json:"min_compatible_version,omitempty"`
}

// A RunInfo is the newest history row of a version.
type RunInfo struct {
	Direction         source.Direction `json:"direction"`
	Outcome           string           `json:"outcome"` // applied, failed, running, partially applied, imported, repaired or resolved
	StatementsApplied int              `json:"statements_applied"`
	StatementsTotal   int              `json:"statements_total"`
	Started           time.Time        `json:"started"`
	DurationSeconds   float64          `json:"duration_seconds"`
	User              string           `json:"user"`
	Release           string           `json:"release,omitempty"`
	Error             string           `json:"error,omitempty"`
}

// ReadStatus compares the database with the files. It changes nothing, and needs only
// SELECT on the version table. Without files it returns the last run of an external tool,
// if there was one.
func ReadStatus(ctx context.Context, o migrator.Options) (Status, error) {
	catalog, noFiles := migrator.OpenFiles(ctx, o)
	if noFiles != nil && !errors.Is(noFiles, source.ErrNoMigrations) {
		return Status{}, noFiles
	}
	o.Postgres.Tables.SkipTableCheck = true // with an external tool the version table may be that tool's
	db, err := database.Open(ctx, o.Postgres)
	if err != nil {
		return Status{}, cmp.Or(noFiles, err)
	}
	defer db.Close(o.Log)
	tool, err := db.Tools.LastToolRun(ctx)
	if err != nil {
		return Status{}, err
	}
	if noFiles != nil {
		if tool == nil {
			return Status{}, noFiles
		}
		return Status{Database: db.Session.Target(), Table: db.Store.Table.String(), Pending: []FileInfo{}, Applied: []FileInfo{}, Tool: tool}, nil
	}
	if err := db.Store.CheckTables(); err != nil {
		return Status{}, err
	}
	if err := db.Store.CheckOtherSchemas(ctx, state.ContainsVersion(catalog)); err != nil {
		return Status{}, err
	}
	status, err := compare(ctx, catalog, db)
	status.Tool = tool
	return status, err
}

func compare(ctx context.Context, catalog *source.Catalog, db *database.Database) (Status, error) {
	st, err := state.Read(ctx, catalog, db)
	if err != nil {
		return Status{}, err
	}
	status := Status{
		Database: db.Session.Target(), Table: db.Store.Table.String(), Dirty: st.Dirty, Latest: catalog.Latest(),
		VersionInFiles: true, Pending: []FileInfo{}, Applied: []FileInfo{}, Edited: st.Edited,
	}
	for _, v := range st.Edited {
		if _, same := st.LineEndings[v]; same {
			status.LineEndings = append(status.LineEndings, v)
		}
	}
	if st.Version != planner.NoVersion {
		v := uint(st.Version)
		status.Version = &v
		_, status.VersionInFiles = catalog.Find(v)
	}
	status.LastFailure = lastFailure(st.Entries)
	runs, minVersions := map[uint]*RunInfo{}, map[uint]uint{}
	for _, r := range st.Entries {
		minVersions[uint(r.Version)] = r.Stored.MinCompatibleVersion
		runs[uint(r.Version)] = &RunInfo{
			Direction: r.Direction, Outcome: r.Outcome, StatementsApplied: r.StatementsApplied, StatementsTotal: r.StatementsTotal,
			Started: r.Started, DurationSeconds: r.DurationSeconds, User: r.User, Release: r.Release, Error: r.Error,
		}
	}
	all, err := state.WithHistory(catalog, st, nil, planner.Policy{OnEdited: planner.AllowEdited})
	if err != nil {
		return Status{}, err
	}
	applied := planner.Applied(all, st)
	for _, m := range all.All() {
		info := FileInfo{Version: m.Version, Name: m.Name, Run: runs[m.Version], FromHistory: m.HistoryOnly}
		if applied[m.Version] {
			info.MinCompatibleVersion = minVersions[m.Version]
			status.Applied = append(status.Applied, info)
		} else {
			status.Pending = append(status.Pending, info)
		}
	}
	return status, nil
}
