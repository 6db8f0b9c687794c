package diagnose

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/lib/pq/pqerror"
	pgquery "github.com/pganalyze/pg_query_go/v6"

	"github.com/shiplock/shiplock/internal/executor"
	"github.com/shiplock/shiplock/internal/history"
	"github.com/shiplock/shiplock/internal/lint"
	"github.com/shiplock/shiplock/internal/postgres"
	"github.com/shiplock/shiplock/internal/script"
	"github.com/shiplock/shiplock/internal/servermessage"
)

// Limits of a diagnosis. Exceeding them is not an error.
const (
	diagnosisTimeout      = 2 * time.Second
	diagnosisQueryTimeout = time.Second // per query
)

// diagnose looks up the cause of a failure and leaves out what it cannot determine. It does nothing
// if the run was canceled or the session is lost.
func diagnose(ctx context.Context, store *history.Store, following []lint.Step, fail *executor.MigrationError) {
	server, session := fail.Server(), store.Session()
	if server == nil || server.Fatal() || ctx.Err() != nil || fail.Outcome == executor.Unknown {
		return
	}
	look := map[pqerror.Code]func(*diagnosis) executor.Reason{
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
	d := &diagnosis{session: session, store: store, ctx: ctx, following: following, fail: fail, deadline: time.Now().Add(diagnosisTimeout)}
	if err := session.Exec(ctx, postgres.InlineParams("BEGIN READ ONLY; SET LOCAL statement_timeout = $1; SET LOCAL lock_timeout = 200; ", int(diagnosisQueryTimeout.Milliseconds()))+session.LocalRoleSQL()); err != nil {
		session.Log.Debug("diagnosis skipped", "error", err)
		return
	}
	fail.Reason = look(d)
	if d.err != nil {
		session.Log.Debug("diagnosis incomplete", "error", d.err)
	}
	if err := session.Rollback(ctx, ""); err != nil {
		session.Log.Debug("could not roll back the diagnosis transaction", "error", err)
	}
}

// A diagnosis collects the cause of one failure. After its first error, its queries return no rows.
type diagnosis struct {
	session   *postgres.Session
	store     *history.Store
	ctx       context.Context
	following []lint.Step // migrations that were to run after the failed one
	fail      *executor.MigrationError
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
	rows, err := d.session.Query(d.ctx, query, args...)
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
func (d *diagnosis) deadlock() executor.Reason {
	var r executor.Reason
	for _, pid := range servermessage.DeadlockPIDs(d.fail.Server()) {
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
func (d *diagnosis) limitSource() executor.Reason {
	name := "statement_timeout"
	if d.fail.Server().Code == pqerror.ReadOnlySQLTransaction {
		name = "default_transaction_read_only"
	} else if !servermessage.IsStatementTimeout(d.fail.Server()) {
		return executor.Reason{Cause: executor.StatementCanceled}
	} else if set := d.settingInFile(name); set != "" {
		return executor.Reason{Cause: executor.TimeoutInFile, Causes: []string{name + " is set in the file: " + set}, Setting: name}
	} else if d.session.Opts.StatementTimeout > 0 {
		return executor.Reason{Cause: executor.TimeoutOption, Limit: d.session.Opts.StatementTimeout}
	}
	// The diagnosis sets a timeout of its own, which would be reported as the source.
	s := d.queryRow("SET LOCAL "+name+" TO DEFAULT; SELECT reset_val || coalesce(unit, ''), source, session_user::text, current_database()::text FROM pg_catalog.pg_settings WHERE name = $1;"+
		fmt.Sprintf("SET LOCAL statement_timeout = %d", diagnosisQueryTimeout.Milliseconds()), name)
	if s == nil {
		return executor.Reason{}
	}
	r := executor.Reason{Causes: []string{name + " is " + s[0] + "; set by: " + s[1]}}
	switch s[1] {
	case "client":
		r.Causes[0] += " (database URL or PGOPTIONS)"
	case "user":
		r.Fix = "ALTER ROLE " + script.QuoteIfNeeded(s[2]) + " RESET " + name + ";"
	case "database":
		r.Fix = "ALTER DATABASE " + script.QuoteIfNeeded(s[3]) + " RESET " + name + ";"
	case "database user":
		r.Fix = "ALTER ROLE " + script.QuoteIfNeeded(s[2]) + " IN DATABASE " + script.QuoteIfNeeded(s[3]) + " RESET " + name + ";"
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
		set := st.Node.GetVariableSetStmt()
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
