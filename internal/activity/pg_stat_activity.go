package activity

import (
	"github.com/shiplock/shiplock/internal/postgres"

	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"
)

const (
	// queryTimeout is the statement timeout of a query for another session; a catalog may
	// be locked.
	queryTimeout = time.Second
	// connectTimeout limits the time to open the session that runs the query.
	connectTimeout = 3 * time.Second
	// retryDelay is the pause after a failed connection, to avoid load on a server that has
	// no free connections.
	retryDelay = 15 * time.Second
	// maxBlockers is the maximum number of blocking sessions in a report.
	maxBlockers = 5
)

// Backend is a row of pg_stat_activity. Columns that the role may not read are empty.
type Backend struct {
	PID         int              `json:"pid"`
	Application string           `json:"application_name"`
	State       string           `json:"state"`
	Since       float64          `json:"seconds"` // time in this state
	Query       string           `json:"query"`
	WaitType    string           `json:"wait_event_type"`
	Wait        string           `json:"wait_event"`
	Blockers    []SessionInfo    `json:"blockers"` // sessions whose locks it waits for
	LockHolder  *SessionInfo     `json:"locker"`   // session whose transaction an index build waits for
	Progress    *backendProgress `json:"progress"`
}

// blockingSessions returns the blocking sessions.
func (a *Backend) blockingSessions() []SessionInfo {
	switch {
	case a == nil:
		return nil
	case len(a.Blockers) == 0 && a.LockHolder != nil:
		return []SessionInfo{*a.LockHolder}
	}
	return a.Blockers[:min(len(a.Blockers), maxBlockers)]
}

// openSession opens a session to query the activity of other sessions, in one attempt and
// without logging.
func openSession(ctx context.Context, session *postgres.Session) (*postgres.Session, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	opts := session.SecondSessionOptions(ctx)
	opts.WaitForDB, opts.ConnectAttempts, opts.Role = 0, 1, ""
	opts.Log, opts.Progress = slog.New(slog.DiscardHandler), nil
	return postgres.Open(ctx, opts)
}

// sessionJSON builds a SessionInfo from a row of pg_stat_activity.
const sessionJSON = `json_build_object('pid', b.pid, 'application_name', b.application_name, 'state', b.state,
	'seconds', extract(epoch FROM clock_timestamp() - coalesce(b.xact_start, b.backend_start))::bigint, 'query', left(b.query, 120))`

// Read returns the activity of one backend, or nil if it does not exist. It locks only the
// catalogs that it reads. pg_blocking_pids briefly blocks all lock operations, so it is called only
// for a session that waits for a lock.
func Read(ctx context.Context, session *postgres.Session, pid int) (*Backend, error) {
	var text string
	err := session.QueryRow(ctx, LoginRoleSQL+TimeoutSQL+`SELECT row_to_json(s)::text FROM (
		SELECT a.pid, a.application_name, a.state, left(a.query, 1000) AS query, a.wait_event_type, a.wait_event,
			extract(epoch FROM clock_timestamp() - a.state_change) AS seconds,
			(SELECT json_agg(`+sessionJSON+` ORDER BY b.xact_start)
				FROM (SELECT DISTINCT unnest(CASE WHEN a.wait_event_type = 'Lock' THEN pg_catalog.pg_blocking_pids(a.pid) END) AS pid) w
				LEFT JOIN pg_catalog.pg_stat_activity b ON b.pid = w.pid) AS blockers,
			(SELECT `+sessionJSON+` FROM pg_catalog.pg_stat_activity b WHERE b.pid = nullif(p.facts ->> 'current_locker_pid', '0')::int) AS locker,
			p.facts || jsonb_build_object('view', p.view, 'relation', n.nspname || '.' || c.relname) AS progress
		FROM pg_catalog.pg_stat_activity a
		LEFT JOIN (`+progressViewsSQL(session.Server.VersionNum)+`) p ON p.pid = a.pid
		LEFT JOIN pg_catalog.pg_class c ON c.oid = (p.facts ->> 'relid')::oid
		LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		WHERE a.pid = $1 LIMIT 1) s`, pid).Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, session.ClassifyError(ctx, err)
	}
	var a Backend
	if err := json.Unmarshal([]byte(text), &a); err != nil {
		return nil, fmt.Errorf("pg_stat_activity: %w", err)
	}
	return &a, nil
}

// These settings precede an activity query in the same round trip, so that nothing remains in the
// session behind a pooler. The login role can see the activity of its own sessions; the role set
// with SET ROLE may not.
const LoginRoleSQL = "SET LOCAL ROLE NONE;\n"

var TimeoutSQL = fmt.Sprintf("SET LOCAL statement_timeout = %d;\n", queryTimeout.Milliseconds())

// progressViewsSQL returns a query of the progress of all sessions for a server version. PostgreSQL
// 19 made CLUSTER and VACUUM FULL part of REPACK and keeps pg_stat_progress_cluster for
// compatibility.
func progressViewsSQL(version int) string {
	views := []string{"create_index", "copy", "vacuum", "analyze", "cluster"}
	if version >= 190000 {
		views[len(views)-1] = "repack"
	}
	for i, v := range views {
		views[i] = fmt.Sprintf("SELECT v.pid, '%[1]s' AS view, to_jsonb(v) AS facts FROM pg_catalog.pg_stat_progress_%[1]s v", v)
	}
	return strings.Join(views, " UNION ALL ")
}
