package diagnose

import (
	"fmt"
	"strings"

	"github.com/lib/pq/pqerror"
	pgquery "github.com/pganalyze/pg_query_go/v6"

	"github.com/shiplock/shiplock/internal/migrationerror"
	"github.com/shiplock/shiplock/internal/script/syntax"
	"github.com/shiplock/shiplock/internal/servermessage"
)

// deadlock describes the other processes in the server's DETAIL.
func (d *diagnosis) deadlock() migrationerror.Reason {
	var r migrationerror.Reason
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
func (d *diagnosis) limitSource() migrationerror.Reason {
	name := "statement_timeout"
	if d.fail.Server().Code == pqerror.ReadOnlySQLTransaction {
		name = "default_transaction_read_only"
	} else if !servermessage.IsStatementTimeout(d.fail.Server()) {
		return migrationerror.Reason{Cause: migrationerror.StatementCanceled}
	} else if set := d.settingInFile(name); set != "" {
		return migrationerror.Reason{Cause: migrationerror.TimeoutInFile, Causes: []string{name + " is set in the file: " + set}, Setting: name}
	} else if d.session.Opts.StatementTimeout > 0 {
		return migrationerror.Reason{Cause: migrationerror.TimeoutOption, Limit: d.session.Opts.StatementTimeout}
	}
	// The diagnosis sets a timeout of its own, which would be reported as the source.
	s := d.queryRow("SET LOCAL "+name+" TO DEFAULT; SELECT reset_val || coalesce(unit, ''), source, session_user::text, current_database()::text FROM pg_catalog.pg_settings WHERE name = $1;"+
		fmt.Sprintf("SET LOCAL statement_timeout = %d", diagnosisQueryTimeout.Milliseconds()), name)
	if s == nil {
		return migrationerror.Reason{}
	}
	r := migrationerror.Reason{Causes: []string{name + " is " + s[0] + "; set by: " + s[1]}}
	switch s[1] {
	case "client":
		r.Causes[0] += " (database URL or PGOPTIONS)"
	case "user":
		r.Fix = "ALTER ROLE " + syntax.QuoteIfNeeded(s[2]) + " RESET " + name + ";"
	case "database":
		r.Fix = "ALTER DATABASE " + syntax.QuoteIfNeeded(s[3]) + " RESET " + name + ";"
	case "database user":
		r.Fix = "ALTER ROLE " + syntax.QuoteIfNeeded(s[2]) + " IN DATABASE " + syntax.QuoteIfNeeded(s[3]) + " RESET " + name + ";"
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
