package toolrun

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"

	"github.com/shiplock/shiplock/internal/history"
	"github.com/shiplock/shiplock/internal/lock"
	"github.com/shiplock/shiplock/internal/postgres"
)

// Outcomes of an external tool's run.
const (
	ToolRunning   = "running" // or killed together with the migrator
	ToolSucceeded = "succeeded"
	ToolFailed    = "failed"
	ToolAllowed   = "allowed" // failed on a database that a newer version has migrated, and changed nothing
	ToolStopped   = "stopped" // by a signal, a timeout, or because the lock was lost
)

// A ToolRun is a row of the history table of external tools.
type ToolRun struct {
	Command         string    `json:"command"` // without secrets
	Outcome         string    `json:"outcome"`
	Exit            string    `json:"exit,omitempty"` // "exit code 1", "SIGKILL"
	Changes         []string  `json:"changes,omitempty"`
	Started         time.Time `json:"started"`
	DurationSeconds float64   `json:"duration_seconds"`
	User            string    `json:"user"`
	Release         string    `json:"release,omitempty"` // such as "booking, revision 3, namespace shop"

	ExitCode int `json:"-"` // -1 if there is none
	// Before and After are schema fingerprints. After is empty if the schema could not be read.
	Before  string `json:"-"`
	After   string `json:"-"`
	Version string `json:"-"` // of the tool\'s image or files; may be empty
}

// lockCheckTimeout limits the query for the lock: a network that drops packets returns no error.
const lockCheckTimeout = 5 * time.Second

// ErrLockNotHeld reports that the session no longer holds the migration lock.
var ErrLockNotHeld = errors.New("the session no longer holds its advisory lock")

// CheckLock returns an error if the session or its lock is lost.
func (tools *Tools) CheckLock(ctx context.Context) error {
	key := lock.Key(tools.store)
	ctx, cancel := context.WithTimeoutCause(ctx, lockCheckTimeout, &postgres.LostError{Target: tools.session.Target(), Err: fmt.Errorf("no answer within %s", lockCheckTimeout)})
	defer cancel()
	if tools.session.TxOpen {
		// The lock belongs to the open transaction, so an answer suffices. A query would take a snapshot: CREATE INDEX
		// CONCURRENTLY of the tool that meets it waits for the end of the transaction, which waits for the tool.
		return tools.session.ClassifyError(ctx, tools.session.Conn.PingContext(ctx))
	}
	var held bool
	err := tools.session.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_catalog.pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1
		AND pid = pg_catalog.pg_backend_pid() AND classid::bigint << 32 | objid::bigint = $1)`, key).Scan(&held)
	if err == nil && !held {
		return ErrLockNotHeld
	}
	return tools.session.ClassifyError(ctx, err)
}

func (tools *Tools) toolHistoryTable() string {
	return pq.QuoteIdentifier(tools.store.Table.Schema) + "." + pq.QuoteIdentifier(tools.store.Table.Name+history.ExternalToolSuffix)
}

// RecordToolRun writes a run to the history table of external tools: a new row if id is 0,
// otherwise the row with this id. It returns the row's id, or 0 if there is no table: if the role
// may not create it, or if the schema is empty, because some tools (Flyway, Prisma) refuse to run
// in a schema that contains tables they did not create.
func (tools *Tools) RecordToolRun(ctx context.Context, id int64, r ToolRun) (int64, error) {
	if id == 0 {
		if keep, err := tools.ensureToolHistory(ctx); err != nil || !keep {
			return 0, err
		}
	}
	columns, values := toolColumns, tools.toolValues(r)
	if r.Version != "" {
		if has, err := tools.hasToolVersion(ctx); err != nil {
			return 0, err
		} else if has {
			columns, values = columns+", run_tool_version", values+", "+postgres.LiteralOrNull(r.Version)
		}
	}
	tools.session.ProbeEncoding(ctx, tools.session.TxOpen, r.Command, r.Version, strings.Join(r.Changes, "\n"), tools.store.Opts.Identity.Release)
	values = tools.session.ReplaceUnencodable(values)
	query := "INSERT INTO " + tools.toolHistoryTable() + " (" + columns + ") VALUES (" + values + ") RETURNING run_id"
	if id != 0 {
		query = "UPDATE " + tools.toolHistoryTable() + " SET (" + columns + ") = ROW(" + values + ") WHERE run_id = " + fmt.Sprint(id) + " RETURNING run_id"
	}
	if err := tools.session.QueryRow(ctx, query).Scan(&id); err != nil {
		return 0, tools.session.ClassifyError(ctx, fmt.Errorf("history table of external tools %s: %w", tools.toolHistoryTable(), err))
	}
	return id, nil
}

const toolColumns = `run_command, run_outcome, run_exit_code, run_exit, schema_before, schema_after, schema_changes, run_started_at, run_duration, run_release, run_revision, run_namespace, run_pod`

func (tools *Tools) toolValues(r ToolRun) string {
	code, took, identity := "NULL::integer", "NULL::interval", tools.store.Opts.Identity
	if r.ExitCode >= 0 && r.Outcome != ToolRunning {
		code = fmt.Sprint(r.ExitCode)
	}
	if r.DurationSeconds > 0 {
		took = fmt.Sprintf("make_interval(secs => %.3f)", r.DurationSeconds)
	}
	return strings.Join([]string{
		postgres.LiteralOrNull(r.Command), postgres.LiteralOrNull(r.Outcome), code, postgres.LiteralOrNull(r.Exit), postgres.LiteralOrNull(r.Before), postgres.LiteralOrNull(r.After), postgres.LiteralOrNull(strings.Join(r.Changes, "\n")),
		postgres.LiteralOrNull(r.Started.UTC().Format(time.RFC3339Nano)) + "::timestamptz", took,
		postgres.LiteralOrNull(identity.Release), postgres.LiteralOrNull(identity.Revision), postgres.LiteralOrNull(identity.Namespace), postgres.LiteralOrNull(identity.Pod),
	}, ", ")
}

// ensureToolHistory creates the history table of external tools if necessary and reports whether it
// exists.
func (tools *Tools) ensureToolHistory(ctx context.Context) (bool, error) {
	var exists, used, mayCreate bool
	err := tools.session.QueryRow(ctx, `
		SELECT coalesce(bool_or(c.relname = $2), false), coalesce(bool_or(c.relkind IN ('r', 'p', 'v', 'm', 'f')), false),
			coalesce(bool_and(pg_catalog.has_schema_privilege(n.oid, 'CREATE')), false)
		FROM pg_catalog.pg_namespace n LEFT JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid WHERE n.nspname = $1`,
		tools.store.Table.Schema, tools.store.Table.Name+history.ExternalToolSuffix).Scan(&exists, &used, &mayCreate)
	if err != nil || exists || !used {
		return exists, tools.session.ClassifyError(ctx, err)
	}
	if !mayCreate {
		tools.log.Warn("history table of external tools not created: no CREATE privilege on the schema", "schema", tools.store.Table.Schema, "role", tools.session.Server.User)
		return false, nil
	}
	return true, tools.session.Exec(ctx, "CREATE TABLE IF NOT EXISTS "+tools.toolHistoryTable()+` (
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
	run_pod text,
	run_tool_version text
)`)
}

// hasToolVersion reports whether the history table of external tools has the column of the version.
// A table of an earlier release lacks it.
func (tools *Tools) hasToolVersion(ctx context.Context) (has bool, err error) {
	err = tools.session.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname = $1 AND c.relname = $2 AND a.attname = 'run_tool_version' AND NOT a.attisdropped)`, tools.store.Table.Schema, tools.store.Table.Name+history.ExternalToolSuffix).Scan(&has)
	return has, tools.session.ClassifyError(ctx, err)
}

// LastToolRun reads the latest run of an external tool. It returns nil if there is none or the role
// may not read it.
func (tools *Tools) LastToolRun(ctx context.Context) (*ToolRun, error) {
	var exists bool
	err := tools.session.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname = $1 AND c.relname = $2)`, tools.store.Table.Schema, tools.store.Table.Name+history.ExternalToolSuffix).Scan(&exists)
	if err != nil || !exists {
		return nil, tools.session.ClassifyError(ctx, err)
	}
	var r ToolRun
	var changes string
	err = tools.session.QueryRow(ctx, `SELECT run_command, run_outcome, coalesce(run_exit_code, -1), coalesce(run_exit, ''), coalesce(schema_before, ''), coalesce(schema_after, ''),
			coalesce(schema_changes, ''), run_started_at, coalesce(extract(epoch FROM run_duration), 0)::float8, database_user,
			concat_ws(', ', run_release, 'revision ' || run_revision, 'namespace ' || run_namespace)
		FROM `+tools.toolHistoryTable()+` ORDER BY run_id DESC LIMIT 1`).Scan(&r.Command, &r.Outcome, &r.ExitCode, &r.Exit, &r.Before, &r.After,
		&changes, &r.Started, &r.DurationSeconds, &r.User, &r.Release)
	if errors.Is(err, sql.ErrNoRows) || pq.As(err, pqerror.InsufficientPrivilege) != nil {
		return nil, nil
	}
	if changes != "" {
		r.Changes = strings.Split(changes, "\n")
	}
	return &r, tools.session.ClassifyError(ctx, err)
}
