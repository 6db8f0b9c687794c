package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"
)

// execSuffix is appended to the version table's name for the history table of external tools.
const execSuffix = "_exec_history"

// Outcomes of an external tool's run.
const (
	ToolRunning   = "running" // or killed together with the migrator
	ToolSucceeded = "succeeded"
	ToolFailed    = "failed"
	ToolStopped   = "stopped" // by a signal, a timeout, or because the lock was lost
)

// A ToolRun is a row of the history table of external tools.
type ToolRun struct {
	Command  string // without secrets
	Outcome  string
	ExitCode int    // -1 if there is none
	Exit     string // "exit code 1", "SIGKILL"
	// Before and After are schema fingerprints. After is empty if the schema could not be read.
	Before, After string
	Changes       []string
	Started       time.Time
	Duration      time.Duration
	User, Release string // see Run
}

// lockCheckTimeout limits the query for the lock: a network that drops packets returns no error.
const lockCheckTimeout = 5 * time.Second

// ErrLockNotHeld reports that the session no longer holds the migration lock.
var ErrLockNotHeld = errors.New("the session no longer holds its advisory lock")

// CheckLock returns an error if the session or its lock is lost.
func (db *DB) CheckLock(ctx context.Context) error {
	key, err := db.lockKey()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, lockCheckTimeout, &LostError{Target: db.Target(), Err: fmt.Errorf("no answer within %s", lockCheckTimeout)})
	defer cancel()
	var held bool
	err = db.queryRow(ctx, `SELECT EXISTS (SELECT FROM pg_catalog.pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1
		AND pid = pg_catalog.pg_backend_pid() AND classid::bigint << 32 | objid::bigint = $1)`, key).Scan(&held)
	if err == nil && !held {
		return ErrLockNotHeld
	}
	return db.classifyError(ctx, err)
}

func (db *DB) toolHistoryTable() string {
	return pq.QuoteIdentifier(db.table.schema) + "." + pq.QuoteIdentifier(db.table.name+execSuffix)
}

// RecordToolRun writes a run to the history table of external tools: a new row if id is 0,
// otherwise the row with this id. It returns the row's id, or 0 if there is no table: if the role
// may not create it, or if the schema is empty, because some tools (Flyway, Prisma) refuse to run
// in a schema that contains tables they did not create.
func (db *DB) RecordToolRun(ctx context.Context, id int64, r ToolRun) (int64, error) {
	if id == 0 {
		if keep, err := db.ensureToolHistory(ctx); err != nil || !keep {
			return 0, err
		}
	}
	values := db.toolValues(r)
	db.probeEncoding(ctx, db.lockTxOpen, r.Command, strings.Join(r.Changes, "\n"), db.opts.Identity.Release)
	values = db.replaceUnencodable(values)
	query := "INSERT INTO " + db.toolHistoryTable() + " (" + toolColumns + ") VALUES (" + values + ") RETURNING run_id"
	if id != 0 {
		query = "UPDATE " + db.toolHistoryTable() + " SET (" + toolColumns + ") = ROW(" + values + ") WHERE run_id = " + fmt.Sprint(id) + " RETURNING run_id"
	}
	if err := db.queryRow(ctx, query).Scan(&id); err != nil {
		return 0, db.classifyError(ctx, fmt.Errorf("history table of external tools %s: %w", db.toolHistoryTable(), err))
	}
	return id, nil
}

const toolColumns = `run_command, run_outcome, run_exit_code, run_exit, schema_before, schema_after, schema_changes, run_started_at, run_duration, run_release, run_revision, run_namespace, run_pod`

func (db *DB) toolValues(r ToolRun) string {
	code, took, identity := "NULL::integer", "NULL::interval", db.opts.Identity
	if r.ExitCode >= 0 && r.Outcome != ToolRunning {
		code = fmt.Sprint(r.ExitCode)
	}
	if r.Duration > 0 {
		took = fmt.Sprintf("make_interval(secs => %.3f)", r.Duration.Seconds())
	}
	return strings.Join([]string{
		literalOrNull(r.Command), literalOrNull(r.Outcome), code, literalOrNull(r.Exit), literalOrNull(r.Before), literalOrNull(r.After), literalOrNull(strings.Join(r.Changes, "\n")),
		literalOrNull(r.Started.UTC().Format(time.RFC3339Nano)) + "::timestamptz", took,
		literalOrNull(identity.Release), literalOrNull(identity.Revision), literalOrNull(identity.Namespace), literalOrNull(identity.Pod),
	}, ", ")
}

// ensureToolHistory creates the history table of external tools if necessary and reports whether it
// exists.
func (db *DB) ensureToolHistory(ctx context.Context) (bool, error) {
	var exists, used, mayCreate bool
	err := db.queryRow(ctx, `
		SELECT coalesce(bool_or(c.relname = $2), false), coalesce(bool_or(c.relkind IN ('r', 'p', 'v', 'm', 'f')), false),
			coalesce(bool_and(pg_catalog.has_schema_privilege(n.oid, 'CREATE')), false)
		FROM pg_catalog.pg_namespace n LEFT JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid WHERE n.nspname = $1`,
		db.table.schema, db.table.name+execSuffix).Scan(&exists, &used, &mayCreate)
	if err != nil || exists || !used {
		return exists, db.classifyError(ctx, err)
	}
	if !mayCreate {
		db.log.Warn("history table of external tools not created: no CREATE privilege on the schema", "schema", db.table.schema, "role", db.Server.User)
		return false, nil
	}
	return true, db.exec(ctx, "CREATE TABLE IF NOT EXISTS "+db.toolHistoryTable()+` (
	run_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	run_command text NOT NULL,
	run_outcome text NOT NULL,
	run_exit_code integer,
	run_exit text,
	schema_before text,
	schema_after text,
	schema_changes text,
	run_started_at timestamptz NOT NULL,
	run_duration interval,
	database_user text NOT NULL DEFAULT session_user,
	application_name text NOT NULL DEFAULT current_setting('application_name'),
	run_release text,
	run_revision text,
	run_namespace text,
	run_pod text
)`)
}

// LastToolRun reads the latest run of an external tool. It returns nil if there is none or the role
// may not read it.
func (db *DB) LastToolRun(ctx context.Context) (*ToolRun, error) {
	var exists bool
	err := db.queryRow(ctx, `SELECT EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname = $1 AND c.relname = $2)`, db.table.schema, db.table.name+execSuffix).Scan(&exists)
	if err != nil || !exists {
		return nil, db.classifyError(ctx, err)
	}
	var r ToolRun
	var changes string
	var seconds float64
	err = db.queryRow(ctx, `SELECT run_command, run_outcome, coalesce(run_exit_code, -1), coalesce(run_exit, ''), coalesce(schema_before, ''), coalesce(schema_after, ''),
			coalesce(schema_changes, ''), run_started_at, coalesce(extract(epoch FROM run_duration), 0)::float8, database_user,
			concat_ws(', ', run_release, 'revision ' || run_revision, 'namespace ' || run_namespace)
		FROM `+db.toolHistoryTable()+` ORDER BY run_id DESC LIMIT 1`).Scan(&r.Command, &r.Outcome, &r.ExitCode, &r.Exit, &r.Before, &r.After,
		&changes, &r.Started, &seconds, &r.User, &r.Release)
	if errors.Is(err, sql.ErrNoRows) || pq.As(err, pqerror.InsufficientPrivilege) != nil {
		return nil, nil
	}
	if changes != "" {
		r.Changes = strings.Split(changes, "\n")
	}
	r.Duration = time.Duration(seconds * float64(time.Second))
	return &r, db.classifyError(ctx, err)
}
