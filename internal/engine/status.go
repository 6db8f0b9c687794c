package engine

import (
	"context"

	"github.com/shiplock/shiplock/internal/plan"
	"github.com/shiplock/shiplock/internal/postgres"
)

// Status is where a database stands beside the files.
type Status struct {
	Database string `json:"database"` // user@host:port/name
	Table    string `json:"table"`    // schema.table
	Version  *uint  `json:"version"`  // null before the first migration
	Dirty    bool   `json:"dirty"`
	Latest   uint   `json:"latest"` // the newest version of the files
	// Known is false when no file has the database's version.
	Known   bool       `json:"known"`
	Pending []FileInfo `json:"pending"`
	Applied []FileInfo `json:"applied"`
}

// FileInfo names one migration.
type FileInfo struct {
	Version uint   `json:"version"`
	Name    string `json:"name"`
}

// ReadStatus compares database and files. It changes nothing, and needs no right
// but to read the version table.
func ReadStatus(ctx context.Context, o Options) (Status, error) {
	catalog, err := open(o)
	if err != nil {
		return Status{}, err
	}
	db, err := postgres.Open(ctx, o.Postgres)
	if err != nil {
		return Status{}, err
	}
	st, err := db.State(ctx)
	if closeErr := db.Close(); closeErr != nil {
		o.Log.Debug("closing the session", "error", closeErr)
	}
	if err != nil {
		return Status{}, err
	}
	status := Status{
		Database: db.Target(), Table: db.Table(), Dirty: st.Dirty, Latest: catalog.Latest(),
		Known: true, Pending: []FileInfo{}, Applied: []FileInfo{},
	}
	if st.Version != plan.NoVersion {
		v := uint(st.Version)
		status.Version = &v
		_, status.Known = catalog.Find(v)
	}
	for _, m := range catalog.All() {
		info := FileInfo{Version: m.Version, Name: m.Name}
		if int(m.Version) <= st.Version {
			status.Applied = append(status.Applied, info)
		} else {
			status.Pending = append(status.Pending, info)
		}
	}
	return status, nil
}
