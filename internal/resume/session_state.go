package resume

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/lib/pq"
	pgquery "github.com/pganalyze/pg_query_go/v6"
	"google.golang.org/protobuf/proto"

	"github.com/shiplock/shiplock/internal/history"
	"github.com/shiplock/shiplock/internal/lock"
	"github.com/shiplock/shiplock/internal/postgres"
	"github.com/shiplock/shiplock/internal/script"
	"github.com/shiplock/shiplock/internal/script/syntax"
	"github.com/shiplock/shiplock/internal/source"
)

// The statements of a file that does not run in one transaction depend on the state of their
// session: search_path, time zone, temporary tables. A run that resumes the file has a new session.
// Therefore, the history table stores, besides the number of applied statements, the state of the
// session after them as the server reports it, which includes changes made by functions. See ADR
// 12.

// SessionStateError reports that a partially applied file cannot be resumed, because the state of
// its session cannot be restored or is unknown.
type SessionStateError struct {
	File           string
	Version        int
	Direction      source.Direction
	Applied, Total int
	LostState      []string // for example, "temporary table users"
	Err            error    // error of the server when the state was restored, or nil
	NextLine       int      // line of the first statement that has not run
	NextNumber     int      // its 1-based number
}

func (e *SessionStateError) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("%s: the session state after its first %d statements cannot be restored: %v", e.File, e.Applied, e.Err)
	}
	return fmt.Sprintf("%s: the session of its first %d statements has ended, and with it %s", e.File, e.Applied, strings.Join(e.LostState, ", "))
}

func (e *SessionStateError) Unwrap() error { return e.Err }

// sessionState is the state of a session after the first Done statements of a file.
type sessionState struct {
	Done      int               `json:"done"`
	Settings  map[string]string `json:"settings"`
	LostState []string          `json:"holds"`
}

// ownSettings are changed by Shiplock itself; see KeepaliveSQL.
var ownSettings = []string{
	"client_connection_check_interval", "tcp_keepalives_idle", "tcp_keepalives_interval", "tcp_keepalives_count",
	"transaction_isolation", "transaction_read_only", "transaction_deferrable", // of the transaction that reads the state
}

const (
	// settingName matches the name of a custom setting, which contains a dot; pg_settings does not
	// list these. A $ next to the name quotes it.
	settingName = `[a-z_][a-z0-9_]*(?:\.[a-z_][a-z0-9_]*)+`
	// computedName matches a setting whose name is computed at run time.
	computedName = `set_config\s*\(\s*(?:[^'$\s]|\$[0-9]|'[^']*'\s*\|\||\$[^$]*\$[^$]*\$[^$]*\$\s*\|\|)|execute[^;]*\yset\s+(?:session\s+)?[a-z_0-9.]*(?:%|')`
	// changesSession matches statements that may change the session. The SET of an UPDATE is
	// excluded.
	changesSession = `\y(?:set_config\y|set\y|reset\y|discard\y|listen\y|prepare\y|hold\y|temp\y|temporary\y|load\y|execute\s+[^'f\s]|pg_(?:try_)?advisory_lock(?:_shared)?\y)`
	updatesRows    = `\yupdate\y[^;]*?\yset\y`
)

// goRegexp compiles a PostgreSQL pattern as a Go regular expression.
func goRegexp(pattern string) *regexp.Regexp {
	return regexp.MustCompile(`(?is)` + strings.ReplaceAll(pattern, `\y`, `\b`))
}

var (
	settingNames   = goRegexp(settingName)
	computedNames  = goRegexp(computedName)
	sessionChanges = goRegexp(changesSession)
	rowUpdates     = goRegexp(updatesRows)
	callPattern    = regexp.MustCompile(`(?i)([a-z_][a-z0-9_$]*)"?\s*\(`)
	wordPattern    = regexp.MustCompile(`(?i)[a-z_][a-z0-9_$]*`)
)

// sessionFunctions change session state that cannot be read.
var sessionFunctions = map[string]string{
	"setseed": "the random seed", "dblink_connect": "a connection of dblink", "dblink_connect_u": "a connection of dblink",
}

// changesSessionText reports whether the text of a DO block or function may change its session.
func changesSessionText(text string) bool {
	return sessionChanges.MatchString(rowUpdates.ReplaceAllString(text, ""))
}

// SessionTrace collects from the statements which session state must be read.
type SessionTrace struct {
	read     int      // number of statements read
	Captured int      // number of statements after which the state was stored; -1 for none
	names    []string // settings that pg_settings may not list
	calls    []string // called functions
	tables   []string // tables whose triggers may have run
	computed []string // settings whose names are computed
	user     bool     // the session authorization was set
}

// Follow reads the statements up to done.
func (t *SessionTrace) Follow(s *script.Script, done int) {
	for ; t.read < min(done, len(s.Statements)); t.read++ {
		st := s.Statements[t.read]
		n := st.Tree()
		calls := callsOf(n, st.Text)
		if n.GetDoStmt() != nil || slices.Contains(calls, "set_config") {
			for _, name := range settingNames.FindAllString(st.Text, -1) {
				t.names = addOnce(t.names, strings.ToLower(name))
			}
		}
		if set := n.GetVariableSetStmt(); strings.Contains(set.GetName(), ".") {
			t.names = addOnce(t.names, strings.ToLower(set.GetName()))
		} else if set.GetName() == "session_authorization" {
			t.user = set.GetKind() == pgquery.VariableSetKind_VAR_SET_VALUE
		}
		for _, name := range calls {
			t.calls = addOnce(t.calls, name)
			if what := sessionFunctions[name]; what != "" {
				t.computed = append(t.computed, fmt.Sprintf("%s set by statement %d", what, t.read+1))
			}
		}
		for _, name := range writesTo(n, st.Text) {
			t.tables = addOnce(t.tables, name)
		}
		if (n.GetDoStmt() != nil || slices.Contains(calls, "set_config")) && computedNames.MatchString(st.Text) {
			t.computed = append(t.computed, fmt.Sprintf("settings whose names are computed by statement %d", t.read+1))
		}
	}
}

func addOnce(list []string, s string) []string {
	if slices.Contains(list, s) {
		return list
	}
	return append(list, s)
}

// writesTo returns the unqualified names of the tables that a statement writes to or mentions; for
// a DO block, every word.
func writesTo(n *pgquery.Node, text string) []string {
	var names []string
	switch {
	case n.GetDoStmt() != nil:
		for _, name := range wordPattern.FindAllString(text, -1) {
			names = append(names, strings.ToLower(name))
		}
		slices.Sort(names)
		return slices.Compact(names)
	case n.GetInsertStmt() != nil, n.GetUpdateStmt() != nil, n.GetDeleteStmt() != nil, n.GetMergeStmt() != nil, n.GetCopyStmt() != nil,
		n.GetTruncateStmt() != nil, n.GetSelectStmt().GetWithClause() != nil:
		syntax.WalkNodes(n, func(m proto.Message) {
			if r, ok := m.(*pgquery.RangeVar); ok {
				names = addOnce(names, r.Relname)
			}
		})
	}
	return names
}

// reachedFunctionsSQL returns a WITH clause that lists the functions in calls, those of the
// triggers of tables, and those that they call.
func reachedFunctionsSQL(calls, tables []string) string {
	return `WITH RECURSIVE reached AS (SELECT p.oid, p.proname, p.prosrc FROM pg_catalog.pg_proc p WHERE ` + notSystem + ` AND (p.proname = ANY (` + postgres.TextArray(calls) + `)
		OR p.oid IN (SELECT t.tgfoid FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid WHERE NOT t.tgisinternal AND c.relname = ANY (` + postgres.TextArray(tables) + `)))
	UNION SELECT p.oid, p.proname, p.prosrc FROM reached r JOIN pg_catalog.pg_proc p ON ` + notSystem + `
		AND pg_catalog.strpos(pg_catalog.replace(pg_catalog.lower(r.prosrc), ' (', '('), pg_catalog.lower(p.proname) || '(') > 0)
`
}

const notSystem = "p.pronamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)"

// roleSettingsSQL lists the default settings of the role and database. changedRoleSettingsSQL lists
// those that have another value in this session because they were changed after it began. Settings
// with a unit, such as timeouts, are excluded: they do not affect results, and a corrected value
// must remain.
const (
	roleSettingsSQL = `SELECT DISTINCT ON (1) pg_catalog.split_part(c, '=', 1) AS name, pg_catalog.substr(c, pg_catalog.strpos(c, '=') + 1) AS value
		FROM pg_catalog.pg_db_role_setting r, pg_catalog.unnest(r.setconfig) c
		WHERE r.setdatabase IN (0, (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()))
		AND r.setrole IN (0, (SELECT u.oid FROM pg_catalog.pg_roles u WHERE u.rolname = session_user))
		ORDER BY 1, r.setrole = 0, r.setdatabase = 0`
	changedRoleSettingsSQL = `SELECT n.name, coalesce(pg_catalog.current_setting(n.name, true), '') FROM (` + roleSettingsSQL + `) n
			LEFT JOIN pg_catalog.pg_settings s ON pg_catalog.lower(s.name) = pg_catalog.lower(n.name)
			WHERE n.name NOT IN ('role', 'session_authorization') AND s.unit IS NULL AND coalesce(s.context, 'user') IN ('user', 'superuser')
			AND coalesce(s.source, 'default') NOT IN ('session', 'client', 'override')
			AND n.value <> coalesce(pg_catalog.current_setting(n.name, true), '') AND n.value IS DISTINCT FROM s.setting
		UNION SELECT s.name, s.setting FROM pg_catalog.pg_settings s WHERE s.unit IS NULL AND s.context IN ('user', 'superuser')
			AND s.source IN ('global', 'database', 'user', 'database user') AND NOT EXISTS (SELECT FROM (` + roleSettingsSQL + `) n WHERE pg_catalog.lower(n.name) = pg_catalog.lower(s.name))`
)

// callsOf returns the unqualified names of the functions that a statement calls; for a DO block,
// names followed by a parenthesis.
func callsOf(n *pgquery.Node, text string) []string {
	var names []string
	if n.GetDoStmt() != nil {
		for _, m := range callPattern.FindAllStringSubmatch(text, -1) {
			names = addOnce(names, strings.ToLower(m[1]))
		}
		return names
	}
	syntax.WalkNodes(n, func(m proto.Message) {
		if call, ok := m.(*pgquery.FuncCall); ok && len(call.Funcname) > 0 {
			names = addOnce(names, call.Funcname[len(call.Funcname)-1].GetString_().GetSval())
		}
	})
	return names
}

// SessionQuery returns a subquery for the session state after done statements. Its result is a
// sessionState.
func (resumer *Resumer) SessionQuery(t *SessionTrace, done int) string {
	own := append(slices.Clone(ownSettings), "role")
	where := "source = 'session' AND name <> ALL (" + postgres.TextArray(own) + ")"
	for name, d := range map[string]int64{"lock_timeout": resumer.session.Opts.LockTimeout.Milliseconds(), "statement_timeout": resumer.session.Opts.StatementTimeout.Milliseconds()} {
		if d > 0 {
			where += fmt.Sprintf(" AND NOT (name = '%s' AND setting IN ('0', '%d'))", name, d)
		}
	}
	// Functions may call other functions, and triggers call functions that no statement names.
	names := "SELECT pg_catalog.unnest(" + postgres.TextArray(t.names) + `) AS name
			UNION SELECT pg_catalog.lower(m[1]) FROM pg_catalog.pg_proc p, pg_catalog.regexp_matches(p.prosrc, ` + postgres.LiteralOrNull("("+settingName+")") + `, 'gi') m
			WHERE ` + notSystem + ` AND p.prosrc ~* '\y(set_config|set)\y'`
	computed := "SELECT pg_catalog.unnest(" + postgres.TextArray(t.computed) + ")"
	if len(t.calls)+len(t.tables) > 0 {
		computed += "\nUNION ALL SELECT * FROM (" + reachedFunctionsSQL(t.calls, t.tables) + "SELECT 'settings whose names are computed by ' || p.proname || '()' FROM reached p WHERE p.prosrc ~* " + postgres.LiteralOrNull(computedName)
		for name, what := range sessionFunctions {
			computed += "\nUNION ALL SELECT " + postgres.LiteralOrNull(what+" set by ") + " || p.proname || '()' FROM reached p WHERE p.prosrc ~* " + postgres.LiteralOrNull(`\y`+name+`\y`)
		}
		computed += ") functions"
	}
	if t.user {
		computed += "\nUNION ALL SELECT 'session authorization ' || session_user"
	}
	migrationLock := fmt.Sprintf("l.objsubid = 1 AND (l.classid::bigint << 32 | l.objid::bigint) = %d", lock.Key(resumer.store))
	role := "SELECT 'role', pg_catalog.current_setting('role') WHERE pg_catalog.current_setting('role') <> " + pq.QuoteLiteral(cmp.Or(resumer.session.Opts.Role, "none"))
	return `(SELECT pg_catalog.json_build_object('done', ` + fmt.Sprint(done) + `,
	'settings', (SELECT pg_catalog.json_object_agg(name, value) FROM (
		SELECT name, setting AS value FROM pg_catalog.pg_settings WHERE ` + where + `
		UNION SELECT n.name, pg_catalog.current_setting(n.name, true) FROM (` + names + `) n
			WHERE pg_catalog.current_setting(n.name, true) IS NOT NULL AND NOT EXISTS (SELECT FROM pg_catalog.pg_settings s WHERE pg_catalog.lower(s.name) = n.name)
		UNION ` + changedRoleSettingsSQL + `
		UNION ` + role + `) settings),
	'holds', (SELECT pg_catalog.json_agg(what) FROM (
		SELECT CASE c.relkind WHEN 'v' THEN 'temporary view ' WHEN 'S' THEN 'temporary sequence ' ELSE 'temporary table ' END || c.relname AS what
			FROM pg_catalog.pg_class c WHERE c.relnamespace = pg_catalog.pg_my_temp_schema() AND c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
			AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype IN ('a', 'i') AND c.relkind = 'S')
		UNION ALL SELECT 'temporary function ' || p.proname FROM pg_catalog.pg_proc p WHERE p.pronamespace = pg_catalog.pg_my_temp_schema()
		UNION ALL SELECT 'temporary type ' || t.typname FROM pg_catalog.pg_type t WHERE t.typnamespace = pg_catalog.pg_my_temp_schema() AND t.typrelid = 0 AND t.typelem = 0 AND t.typtype IN ('e', 'd', 'r')
		UNION ALL SELECT 'prepared statement ' || p.name FROM pg_catalog.pg_prepared_statements p WHERE p.from_sql
		UNION ALL SELECT 'cursor ' || c.name FROM pg_catalog.pg_cursors c WHERE c.is_holdable
		UNION ALL SELECT 'LISTEN ' || l FROM pg_catalog.pg_listening_channels() l
		UNION ALL SELECT DISTINCT 'advisory lock ' || CASE l.objsubid WHEN 1 THEN (l.classid::bigint << 32 | l.objid::bigint)::text
				ELSE concat_ws(', ', l.classid::bigint::bit(32)::int, l.objid::bigint::bit(32)::int) END
			FROM pg_catalog.pg_locks l WHERE l.locktype = 'advisory' AND l.pid = pg_catalog.pg_backend_pid() AND NOT (` + migrationLock + `)
		UNION ALL ` + computed + `) holds))::text)`
}

// StoresSessionState reports whether the session state can be stored in the history table.
func (resumer *Resumer) StoresSessionState() bool { return !resumer.store.HistoryUnavailable }

// SessionAt returns the SQL that restores the session state after the first done statements of s.
// Errors are *SessionStateError.
func (resumer *Resumer) SessionAt(ctx context.Context, s *script.Script, r history.Entry, row history.InterruptedRow, done int) (string, error) {
	if done == 0 || done >= len(s.Statements) {
		return "", nil
	}
	var st sessionState
	if row.Session != "" {
		if err := json.Unmarshal([]byte(row.Session), &st); err != nil {
			return "", fmt.Errorf("session state in the history of version %d: %w", r.Version, err)
		}
	}
	if st.Done > done {
		st = sessionState{}
	}
	replay, err := resumer.replay(ctx, s, &st, done)
	if err != nil {
		return "", err
	}
	if len(st.LostState) > 0 {
		return "", resumer.newSessionStateError(s, r, done, st.LostState, nil)
	}
	var names []string
	for name := range st.Settings {
		if name != "role" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	if _, ok := st.Settings["role"]; ok {
		names = append(names, "role") // last, because the other settings may need the privileges of the first role
	}
	var out strings.Builder
	for _, name := range names {
		fmt.Fprintf(&out, "SELECT pg_catalog.set_config(%s, %s, false);\n", pq.QuoteLiteral(name), pq.QuoteLiteral(st.Settings[name]))
	}
	return out.String() + replay, nil
}

func (resumer *Resumer) newSessionStateError(s *script.Script, r history.Entry, done int, holds []string, err error) error {
	return &SessionStateError{
		File: s.Name, Version: r.Version, Direction: r.Direction, Applied: done, Total: len(s.Statements), LostState: holds, Err: err,
		NextLine: s.LineOf(s.Statements[done]), NextNumber: done + 1,
	}
}

// replay updates a stored state to done statements, as far as the statements determine it: a run
// may stop before the state is stored, and older releases do not store it. It returns the SET
// statements to run.
func (resumer *Resumer) replay(ctx context.Context, s *script.Script, st *sessionState, done int) (string, error) {
	var sets, pending []string
	var calls, tables []string
	for i := st.Done; i < done; i++ {
		stmt := s.Statements[i]
		n := stmt.Tree()
		hold := func(what string) { st.LostState = append(st.LostState, fmt.Sprintf("%s (statement %d)", what, i+1)) }
		switch {
		case n.GetVariableSetStmt() != nil:
			set := n.GetVariableSetStmt()
			switch {
			case set.IsLocal, stmt.SetsTransaction:
			case set.Name == "session_authorization" && set.Kind == pgquery.VariableSetKind_VAR_SET_VALUE:
				hold("the session authorization")
			case set.Kind == pgquery.VariableSetKind_VAR_RESET_ALL:
				st.Settings, sets = nil, nil
			default:
				sets, pending = append(sets, stmt.Text+";\n"), append(pending, stmt.Text)
			}
		case n.GetDiscardStmt() != nil:
			if n.GetDiscardStmt().Target == pgquery.DiscardMode_DISCARD_ALL {
				st.Settings, st.LostState, sets, calls, tables = nil, nil, nil, nil, nil
			}
		case stmt.Control != script.ControlNone || n.GetTransactionStmt() != nil:
			kind := n.GetTransactionStmt().GetKind()
			if (kind == pgquery.TransactionStmtKind_TRANS_STMT_ROLLBACK || kind == pgquery.TransactionStmtKind_TRANS_STMT_ROLLBACK_TO) && len(pending) > 0 {
				hold("partially rolled back settings")
			}
			pending = nil
		case isConstantSetConfig(n):
			sets, pending = append(sets, stmt.Text+";\n"), append(pending, stmt.Text)
		case n.GetDoStmt() != nil && changesSessionText(stmt.Text), n.GetExecuteStmt() != nil:
			hold("settings that the statement may have changed")
		case createsTemporary(n):
			hold("a temporary object")
		case n.GetPrepareStmt() != nil:
			hold("prepared statement " + n.GetPrepareStmt().Name)
		case n.GetListenStmt() != nil:
			hold("LISTEN " + n.GetListenStmt().Conditionname)
		case n.GetDeclareCursorStmt() != nil:
			hold("cursor " + n.GetDeclareCursorStmt().Portalname)
		default:
			for _, name := range writesTo(n, stmt.Text) {
				tables = addOnce(tables, name)
			}
			for _, name := range callsOf(n, stmt.Text) {
				if what := sessionFunctions[name]; what != "" {
					hold(what)
				}
				if name == "set_config" || strings.HasPrefix(name, "pg_advisory_lock") || strings.HasPrefix(name, "pg_try_advisory_lock") {
					hold("the effect of " + name)
				}
				calls = addOnce(calls, name)
			}
		}
	}
	if len(calls)+len(tables) == 0 {
		return strings.Join(sets, ""), nil
	}
	var suspects string
	err := resumer.session.QueryRow(ctx, reachedFunctionsSQL(calls, tables)+`SELECT coalesce(pg_catalog.string_agg(DISTINCT p.proname || '()', ', '), '') FROM reached p
		WHERE pg_catalog.regexp_replace(p.prosrc, `+postgres.LiteralOrNull(updatesRows)+`, '', 'gi') ~* `+postgres.LiteralOrNull(changesSession+`|\y(?:setseed|dblink_connect)\y`)).Scan(&suspects)
	if suspects != "" {
		st.LostState = append(st.LostState, "settings that "+suspects+" may have changed")
	}
	return strings.Join(sets, ""), resumer.session.ClassifyError(ctx, err)
}

// isConstantSetConfig reports whether a statement is a SELECT of set_config with constants.
func isConstantSetConfig(n *pgquery.Node) bool {
	sel := n.GetSelectStmt()
	if sel == nil || len(sel.TargetList) == 0 || len(sel.FromClause) > 0 || sel.WhereClause != nil || sel.WithClause != nil || sel.Larg != nil {
		return false
	}
	for _, t := range sel.TargetList {
		call := t.GetResTarget().GetVal().GetFuncCall()
		if call == nil || len(call.Funcname) == 0 || call.Funcname[len(call.Funcname)-1].GetString_().GetSval() != "set_config" || len(call.Args) != 3 {
			return false
		}
		for _, arg := range call.Args {
			if arg.GetAConst() == nil {
				return false
			}
		}
		if call.Args[2].GetAConst().GetBoolval().GetBoolval() {
			return false // local to its transaction
		}
	}
	return true
}

// createsTemporary reports whether a statement creates a temporary object.
func createsTemporary(n *pgquery.Node) bool {
	const temp = "t"
	found := false
	syntax.WalkNodes(n, func(m proto.Message) {
		if v, ok := m.(*pgquery.RangeVar); ok {
			found = found || v.Relpersistence == temp || v.Schemaname == "pg_temp"
		}
	})
	creates := n.GetCreateStmt() != nil || n.GetCreateTableAsStmt() != nil || n.GetViewStmt() != nil || n.GetCreateSeqStmt() != nil || n.GetSelectStmt().GetIntoClause() != nil
	return found && creates
}

// inRestoredSession calls look in a transaction with a restored session state, and rolls it back.
func (resumer *Resumer) inRestoredSession(ctx context.Context, restore string, look func() error) error {
	if restore == "" {
		return look()
	}
	begin := "BEGIN;\n"
	if resumer.session.TxOpen {
		begin = "SAVEPOINT shiplock_session;\n"
	}
	err := resumer.session.Exec(ctx, begin+restore)
	var server *pq.Error
	if errors.As(err, &server) {
		err = &restoreError{err}
	}
	if err == nil {
		err = look()
	}
	switch {
	case ctx.Err() != nil, postgres.IsLostError(err):
		return err
	case resumer.session.TxOpen:
		return errors.Join(err, resumer.session.Exec(ctx, "ROLLBACK TO SAVEPOINT shiplock_session"))
	}
	return errors.Join(err, resumer.session.Rollback(ctx, ""))
}

// restoreError is the server's error when a session state is restored.
type restoreError struct{ err error }

func (e *restoreError) Error() string { return e.err.Error() }
func (e *restoreError) Unwrap() error { return e.err }
