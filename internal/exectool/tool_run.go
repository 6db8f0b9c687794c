package exectool

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/shiplock/shiplock/internal/database"
	"github.com/shiplock/shiplock/internal/schema"
	"github.com/shiplock/shiplock/internal/toolrun"
)

const (
	// lockCheckInterval is how often the lock is checked.
	lockCheckInterval = time.Second
	// inspectionTimeout limits the schema comparison after a signal, or if the database may be unreachable.
	inspectionTimeout = 5 * time.Second
)

// A toolRun is the part of Run that inspects the database. It opens a new session each
// time, because the session that holds the lock may be lost by then.
type toolRun struct {
	o    database.Options
	tool Tool
	row  toolrun.ToolRun
	id   int64
	was  *schema.Fingerprint // nil if it could not be read

	newer *toolrun.NewerRun // nil if no newer version has migrated the database

	pooled        bool
	trace         *toolrun.ToolTrace
	roles         []string
	connections   connectionLog
	leftover      []toolrun.ToolSession     // active when processes that the tool had left behind were terminated
	stopRequested atomic.Pointer[time.Time] // when the run was asked to stop
}

// stopTime returns when the run was asked to stop.
func (r *toolRun) stopTime() time.Time {
	if at := r.stopRequested.Load(); at != nil {
		return *at
	}
	return time.Now()
}

func (r *toolRun) warn(what string, err error) {
	r.o.Log.Warn(what, "error", r.o.DSN.Redact(err.Error()))
}

func (r *toolRun) withSession(ctx context.Context, use func(*database.Database) error) error {
	db, err := database.OpenPrimary(ctx, r.o)
	if err != nil {
		return err
	}
	defer db.Close(r.o.Log)
	return use(db)
}

const (
	// pollInterval is the maximum interval between two queries for a tool's sessions.
	pollInterval = 250 * time.Millisecond
	// terminateAfter is how long a canceled statement may take to end before its session is terminated.
	terminateAfter = 2 * time.Second
	// closeDelay is how long the server may take to notice that a successful tool has
	// disconnected. It is shorter than the interval after which a statement ends for that.
	closeDelay = time.Second
	// checkInterval is the client_connection_check_interval of the tool's sessions.
	checkInterval = 2 * time.Second
	// stopTimeout limits the time that sessions may take after a signal: Kubernetes kills
	// the pod after 30 seconds, and the schema comparison and the report come afterwards.
	stopTimeout = 20 * time.Second
)
