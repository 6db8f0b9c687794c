package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/lib/pq/pqerror"
	pgquery "github.com/pganalyze/pg_query_go/v6"
)

// Limits of a diagnosis. Exceeding them is not an error.
const (
	diagnosisTimeout      = 2 * time.Second
	diagnosisQueryTimeout = time.Second // per query
)

// A Cause is the kind of a Reason, if code depends on it.
type Cause int

const (
	// OtherCause is every cause without a kind of its own; Reason.Causes describes it.
	OtherCause Cause = iota
	// NewColumnNotNull means that a new column is NOT NULL and the existing rows have no value.
	NewColumnNotNull
	// ExtensionDenied means that only a superuser may create the extension; see Reason.Fix.
	ExtensionDenied
	// StatementCanceled means that another session canceled the statement; no timeout did.
	StatementCanceled
	// TimeoutInFile means that the file sets the exceeded timeout; see Reason.Setting.
	TimeoutInFile
	// TimeoutOption means that Options.StatementTimeout was exceeded; see Reason.Limit.
	TimeoutOption
	// VersionTableDropped means that the version or history table no longer exists after the
	// statements of the file.
	VersionTableDropped
	// SessionEnded means that the server did not restart: only the session was ended, or the
	// connection closed.
	SessionEnded
	// SessionTerminated is SessionEnded with pg_terminate_backend.
	SessionTerminated
	// DatabaseUnreachable means that no connection could be established after the connection was
	// lost; see Reason.ReconnectErr.
	DatabaseUnreachable
)

// Reason is the cause of a failed migration, as found on the server after the rollback. It contains
// key values, never whole rows.
type Reason struct {
	Cause  Cause
	Causes []string // full sentences
	// Query lists all affected rows or objects.
	Query string
	// Fix is the SQL that resolves the problem. FixRole is the role that must run it, if it is not
	// the current role.
	Fix, FixRole string
	// Setting is the name of the exceeded timeout setting if Cause is TimeoutInFile.
	Setting string
	// Limit is the exceeded timeout if Cause is TimeoutOption.
	Limit time.Duration
	// ReconnectErr is set if Cause is DatabaseUnreachable.
	ReconnectErr error
	// External reports that the existing object was not created by a migration.
	External bool
	// LaterFile is the pending migration file that creates the missing object.
	LaterFile string
}

// diagnose looks up the cause of a failure and leaves out what it cannot determine. It does nothing
// if the run was canceled or the session is lost.
func (db *DB) diagnose(ctx context.Context, m migration, following []Step, fail *MigrationError) {
	server := fail.Server()
	if server == nil || server.Fatal() || ctx.Err() != nil || fail.Outcome == Unknown {
		return
	}
	look := map[pqerror.Code]func(*diagnosis) Reason{
		pqerror.UniqueViolation:        (*diagnosis).constraintReason,
		pqerror.NotNullViolation:       (*diagnosis).constraintReason,
		pqerror.CheckViolation:         (*diagnosis).constraintReason,
		pqerror.ForeignKeyViolation:    (*diagnosis).constraintReason,
		pqerror.InsufficientPrivilege:  (*diagnosis).privilegesReason,
		pqerror.UndefinedTable:         (*diagnosis).missingRelation,
		pqerror.DuplicateTable:         (*diagnosis).existingObject,
		pqerror.DuplicateColumn:        (*diagnosis).existingObject,
		pqerror.DuplicateObject:        (*diagnosis).existingObject,
		pqerror.TRDeadlockDetected:     (*diagnosis).deadlock,
		pqerror.ReadOnlySQLTransaction: (*diagnosis).limitSource,
		pqerror.QueryCanceled:          (*diagnosis).limitSource,
	}[server.Code]
	if look == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, diagnosisTimeout+diagnosisQueryTimeout)
	defer cancel()
	d := &diagnosis{db: db, ctx: ctx, m: m, following: following, fail: fail, deadline: time.Now().Add(diagnosisTimeout)}
	if err := db.exec(ctx, inlineParams("BEGIN READ ONLY; SET LOCAL statement_timeout = $1; SET LOCAL lock_timeout = 200; ", int(diagnosisQueryTimeout.Milliseconds()))+db.localRoleSQL()); err != nil {
		db.log.Debug("diagnosis skipped", "error", err)
		return
	}
	fail.Reason = look(d)
	if d.err != nil {
		db.log.Debug("diagnosis incomplete", "error", d.err)
	}
	if err := db.rollback(ctx, ""); err != nil {
		db.log.Debug("could not roll back the diagnosis transaction", "error", err)
	}
}

// localRoleSQL returns the SQL that sets the role for the current transaction.
func (db *DB) localRoleSQL() string {
	if db.opts.Role == "" || db.roleSet {
		return ""
	}
	return db.setRoleSQL("LOCAL ")
}

// A diagnosis collects the cause of one failure. After its first error, its queries return no rows.
type diagnosis struct {
	db        *DB
	ctx       context.Context
	m         migration
	following []Step // migrations that were to run after the failed one
	fail      *MigrationError
	deadline  time.Time
	err       error
}

// query returns the rows of a query with all columns as text; NULL is "".
func (d *diagnosis) query(query string, args ...any) [][]string {
	if d.err == nil && time.Now().After(d.deadline) {
		d.err = errors.New("time limit exceeded")
	}
	if d.err != nil {
		return nil
	}
	rows, err := d.db.query(d.ctx, query, args...)
	if err != nil {
		d.err = err
		return nil
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		d.err = err
		return nil
	}
	var out [][]string
	for rows.Next() {
		fields, pointers := make([]sql.NullString, len(names)), make([]any, len(names))
		for i := range fields {
			pointers[i] = &fields[i]
		}
		if d.err = rows.Scan(pointers...); d.err != nil {
			return nil
		}
		row := make([]string, len(fields))
		for i, f := range fields {
			row[i] = f.String
		}
		out = append(out, row)
	}
	d.err = rows.Err()
	return out
}

// queryRow returns the first row of a query, or nil.
func (d *diagnosis) queryRow(query string, args ...any) []string {
	if rows := d.query(query, args...); len(rows) > 0 {
		return rows[0]
	}
	return nil
}

// deadlock describes the other processes in the server's DETAIL.
func (d *diagnosis) deadlock() Reason {
	var r Reason
	for _, pid := range deadlockPIDs(d.fail.Server()) {
		process := d.queryRow(`SELECT concat_ws(', ', 'pid ' || pid, 'application_name "' || nullif(application_name, '') || '"', 'user ' || usename,
			state, 'query "' || left(regexp_replace(query, '\s+', ' ', 'g'), 120) || '"')
			FROM pg_catalog.pg_stat_activity WHERE pid = $1::int AND pid <> pg_catalog.pg_backend_pid()`, pid)
		if process != nil {
			r.Causes = append(r.Causes, "other process in the deadlock: "+strings.ReplaceAll(process[0], `, query "<insufficient privilege>"`, ""))
		}
	}
	return r
}

// limitSource reports where the timeout or read-only setting that stopped a statement is set.
func (d *diagnosis) limitSource() Reason {
	name := "statement_timeout"
	if d.fail.Server().Code == pqerror.ReadOnlySQLTransaction {
		name = "default_transaction_read_only"
	} else if !IsStatementTimeout(d.fail.Server()) {
		return Reason{Cause: StatementCanceled}
	} else if set := d.settingInFile(name); set != "" {
		return Reason{Cause: TimeoutInFile, Causes: []string{name + " is set in the file: " + set}, Setting: name}
	} else if d.db.opts.StatementTimeout > 0 {
		return Reason{Cause: TimeoutOption, Limit: d.db.opts.StatementTimeout}
	}
	// The diagnosis sets a timeout of its own, which would be reported as the source.
	s := d.queryRow("SET LOCAL "+name+" TO DEFAULT; SELECT reset_val || coalesce(unit, ''), source, session_user::text, current_database()::text FROM pg_catalog.pg_settings WHERE name = $1;"+
		fmt.Sprintf("SET LOCAL statement_timeout = %d", diagnosisQueryTimeout.Milliseconds()), name)
	if s == nil {
		return Reason{}
	}
	r := Reason{Causes: []string{name + " is " + s[0] + "; set by: " + s[1]}}
	switch s[1] {
	case "client":
		r.Causes[0] += " (database URL or PGOPTIONS)"
	case "user":
		r.Fix = "ALTER ROLE " + quoteIfNeeded(s[2]) + " RESET " + name + ";"
	case "database":
		r.Fix = "ALTER DATABASE " + quoteIfNeeded(s[3]) + " RESET " + name + ";"
	case "database user":
		r.Fix = "ALTER ROLE " + quoteIfNeeded(s[2]) + " IN DATABASE " + quoteIfNeeded(s[3]) + " RESET " + name + ";"
	case "configuration file":
		r.Fix = "ALTER SYSTEM SET " + name + " = DEFAULT; SELECT pg_reload_conf();"
	}
	return r
}

// settingInFile returns the last statement before the failed one that changed a setting, or "".
func (d *diagnosis) settingInFile(name string) string {
	if d.fail.Script == nil {
		return ""
	}
	for i := min(d.fail.FailedIndex, len(d.fail.Script.Statements)) - 1; i >= 0; i-- {
		st := d.fail.Script.Statements[i]
		set := st.node.GetVariableSetStmt()
		switch {
		case set.GetKind() == pgquery.VariableSetKind_VAR_RESET_ALL,
			strings.EqualFold(set.GetName(), name) && set.GetKind() != pgquery.VariableSetKind_VAR_SET_VALUE:
			return ""
		case strings.EqualFold(set.GetName(), name):
			return strings.Join(strings.Fields(st.Text), " ")
		}
	}
	return ""
}
