package postgres

import (
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
	// lookTimeout bounds one look at another session, in the server; a catalog may be locked.
	activityQueryTimeout = time.Second
	// lookOpen bounds the connection that a look needs.
	activityConnectTimeout = 3 * time.Second
	// lookAgain is the pause after a connection that could not be had: a server that
	// is full is not to be asked again and again.
	activityRetryDelay = 15 * time.Second
	// maxBlockers is how many of those in the way are named.
	maxBlockers = 5
)

// glimpse is what the server shows of a session. What our role may not see is empty.
type backendActivity struct {
	PID         int              `json:"pid"`
	Application string           `json:"application_name"`
	State       string           `json:"state"`
	Since       float64          `json:"seconds"` // for how long it has been in that state
	Query       string           `json:"query"`
	WaitType    string           `json:"wait_event_type"`
	Wait        string           `json:"wait_event"`
	Blockers    []sessionInfo    `json:"blockers"` // on whose locks it waits
	LockHolder  *sessionInfo     `json:"locker"`   // on whose transaction an index waits
	Progress    *backendProgress `json:"progress"`
}

// blocked describes who is in the way.
func (g *backendActivity) blockingSessions() []string {
	if g == nil {
		return nil
	}
	var out []string
	for _, s := range g.Blockers[:min(len(g.Blockers), maxBlockers)] {
		out = append(out, s.String())
	}
	if len(out) == 0 && g.LockHolder != nil {
		out = append(out, g.LockHolder.String())
	}
	return out
}

// aside opens a session that looks at others: at once or not at all, and without a word.
func (db *DB) openActivitySession(ctx context.Context) (*DB, error) {
	ctx, cancel := context.WithTimeout(ctx, activityConnectTimeout)
	defer cancel()
	fresh := &DB{opts: db.opts, log: slog.New(slog.DiscardHandler)}
	fresh.opts.WaitForDB, fresh.opts.ConnectAttempts, fresh.opts.Role = 0, 1, ""
	fresh.opts.Log, fresh.opts.Progress = fresh.log, nil
	fresh.Server.versionNum = db.Server.versionNum
	var err error
	d := &dialer{}
	if fresh.conn, err = fresh.connect(ctx, d); err != nil {
		return nil, errors.Join(err, fresh.Close())
	}
	fresh.netConn = d.last.Load()
	return fresh, nil
}

// sessionJSON describes a row of pg_stat_activity as a sessionInfo.
const sessionJSON = `json_build_object('pid', b.pid, 'application_name', b.application_name, 'state', b.state,
	'seconds', extract(epoch FROM clock_timestamp() - coalesce(b.xact_start, b.backend_start))::bigint, 'query', left(b.query, 120))`

// lookAt looks at one session by its process id; nil where there is none. It takes no lock
// but on what it reads of the catalogs. pg_blocking_pids stops all lock traffic for a moment, so
// it is called for who waits for a lock only.
func (db *DB) readActivity(ctx context.Context, pid int) (*backendActivity, error) {
	var text string
	err := db.queryRow(ctx, loginRoleSQL+activityTimeoutSQL+`SELECT row_to_json(s)::text FROM (
		SELECT a.pid, a.application_name, a.state, left(a.query, 1000) AS query, a.wait_event_type, a.wait_event,
			extract(epoch FROM clock_timestamp() - a.state_change) AS seconds,
			(SELECT json_agg(`+sessionJSON+` ORDER BY b.xact_start)
				FROM (SELECT DISTINCT unnest(CASE WHEN a.wait_event_type = 'Lock' THEN pg_catalog.pg_blocking_pids(a.pid) END) AS pid) w
				LEFT JOIN pg_catalog.pg_stat_activity b ON b.pid = w.pid) AS blockers,
			(SELECT `+sessionJSON+` FROM pg_catalog.pg_stat_activity b WHERE b.pid = nullif(p.facts ->> 'current_locker_pid', '0')::int) AS locker,
			p.facts || jsonb_build_object('view', p.view, 'relation', n.nspname || '.' || c.relname) AS progress
		FROM pg_catalog.pg_stat_activity a
		LEFT JOIN (`+progressViewsSQL(db.Server.versionNum)+`) p ON p.pid = a.pid
		LEFT JOIN pg_catalog.pg_class c ON c.oid = (p.facts ->> 'relid')::oid
		LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		WHERE a.pid = $1 LIMIT 1) s`, pid).Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, db.classifyError(ctx, err)
	}
	var g backendActivity
	if err := json.Unmarshal([]byte(text), &g); err != nil {
		return nil, fmt.Errorf("pg_stat_activity: %w", err)
	}
	return &g, nil
}

// What goes before a look, in the same query, so that behind a pooler nothing of it
// stays. The login role sees what its sessions do; the one that it acts as may not.
const loginRoleSQL = "SET LOCAL ROLE NONE;\n"

var activityTimeoutSQL = fmt.Sprintf("SET LOCAL statement_timeout = %d;\n", activityQueryTimeout.Milliseconds())

// progressViews is SQL for the progress of all sessions, in what columns this
// version of the server has. PostgreSQL 19 made CLUSTER and VACUUM FULL kinds of
// REPACK, and left pg_stat_progress_cluster for who still asks for it.
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
