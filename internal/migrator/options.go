package migrator

import (
	"context"
	"log/slog"

	"github.com/shiplock/shiplock/internal/database"
	"github.com/shiplock/shiplock/internal/planner"
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
	// DedicatedProcess is set if the process runs nothing else, so that its settings may be changed.
	DedicatedProcess bool
	Log              *slog.Logger
}

// A TxMode is a transaction scope.
type TxMode string

// Values of TxMode.
const (
	TxModeFile TxMode = "file"
	TxModeAll  TxMode = "all" // all pending migrations: if one fails, all are rolled back
)

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
