package postgres

import (
	"errors"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"
)

// This file holds every decision that reads the text of an error of PostgreSQL, a connection pooler,
// lib/pq or database/sql, because no code, type or field has what it states. No other file reads
// these texts. PostgreSQL translates its messages (lc_messages): an unknown text is treated as an error
// without the fact.

// # PostgreSQL

var (
	quotedNames      = regexp.MustCompile(`"([^"]+)"`)
	quotedText       = regexp.MustCompile(`"(.*)"`)
	permissionDenied = regexp.MustCompile(`^permission denied for ([a-z ]+) (\S.*)$`)
	notOwner         = regexp.MustCompile(`^must be owner of ([a-z ]+) (\S.*)$`)
	extensionDenied  = regexp.MustCompile(`^permission denied to create extension "(.*)"$`)
	deniedTable      = regexp.MustCompile(`table "?([^"]+?)"?$`)
	deadlockProcess  = regexp.MustCompile(`(?:[Pp]rocess|[Pp]rozess|PID) (\d+)`)
	doBlockLine      = regexp.MustCompile(`inline_code_block line (\d+) at [^\n]*$`)
	usingClause      = regexp.MustCompile(`USING [^".]+`)
	// unquotedNames match messages whose name is not in quotes.
	unquotedNames = []*regexp.Regexp{
		regexp.MustCompile(`^cannot drop (?:[a-z]+ )+?(\S+)(?: (?:of|on) .*)? because`),
		regexp.MustCompile(`^permission denied for (?:[a-z]+ )+(\S+)$`),
		regexp.MustCompile(`^must be owner of (?:[a-z]+ )+(\S+)$`),
	}
	// copyPosition matches the position of an error in the rows, "COPY t, line 3, column a: …", in
	// any language of the server's messages.
	copyPosition = regexp.MustCompile(`(?m)^COPY .+?, \p{L}+ (\d+)(?:[,:]|$)`)
	// copyRow matches a row in the context of a COPY error: COPY guests, line 3: "…".
	copyRow = regexp.MustCompile(`(?m)^(COPY .*, line \d+): ".*$`)
)

// QuotedName returns the name that a message has in quotes, from the first quote to the last, or "".
func QuotedName(e *pq.Error) string {
	if m := quotedText.FindStringSubmatch(e.Message); m != nil {
		return m[1]
	}
	return ""
}

// ErrorNames returns the names in an error, most specific first.
func ErrorNames(e *pq.Error) []string {
	names := []string{e.Constraint, e.Column}
	for _, name := range MessageNames(e) {
		names = append(names, name, name[strings.LastIndexByte(name, '.')+1:])
	}
	for _, r := range unquotedNames {
		if m := r.FindStringSubmatch(e.Message); m != nil {
			names = append(names, m[1])
		}
	}
	return append(names, e.DataTypeName, e.Table)
}

// MessageNames returns all names that a message has in quotes.
func MessageNames(e *pq.Error) []string {
	var names []string
	for _, m := range quotedNames.FindAllStringSubmatch(e.Message, -1) {
		names = append(names, m[1])
	}
	return names
}

// ErrorMentions reports whether an error contains a name as a whole word.
func ErrorMentions(e *pq.Error, name string) bool {
	return MentionsTable(strings.Join([]string{e.InternalQuery, e.Where, e.Message}, "\n"), name)
}

// MentionsTable reports whether a text contains a name as a whole word.
func MentionsTable(text, name string) bool {
	return regexp.MustCompile(`(?:^|[^\w$])` + regexp.QuoteMeta(name) + `(?:$|[^\w$])`).MatchString(text)
}

// DeniedExtension returns the extension that the role may not create, or "".
func DeniedExtension(e *pq.Error) string {
	if m := extensionDenied.FindStringSubmatch(e.Message); m != nil {
		return m[1]
	}
	return ""
}

// DeniedObject returns the kind, such as "table", and the name of the object for which the role lacks
// a privilege, or which it must own. Both are "" for other messages.
func DeniedObject(e *pq.Error) (kind, name string, owner bool) {
	m := permissionDenied.FindStringSubmatch(e.Message)
	if m == nil {
		m, owner = notOwner.FindStringSubmatch(e.Message), true
	}
	if m == nil {
		return "", "", false
	}
	return m[1], strings.Trim(m[2], `"`), owner
}

// DeniedTable returns the table that ends the message of a missing privilege, or "".
func DeniedTable(e *pq.Error) string {
	if m := deniedTable.FindStringSubmatch(e.Message); m != nil {
		return m[1]
	}
	return ""
}

// IsRoleMissing reports whether the undefined object of an error is a role.
func IsRoleMissing(e *pq.Error) bool { return strings.HasPrefix(e.Message, "role ") }

// isRoleRefused reports whether an error of a new session or a SET ROLE is about the role. The name of
// the server's function is the same in every language.
func isRoleRefused(e *pq.Error, role string) bool {
	return strings.Contains(e.Message, role) && (mentionsRole(e) || strings.Contains(e.Routine, "check_hook"))
}

// mentionsRole reports whether a message is about a role or the parameter role.
func mentionsRole(e *pq.Error) bool { return strings.Contains(e.Message, "role") }

// DeadlockPIDs returns the process IDs in the detail of a deadlock.
func DeadlockPIDs(e *pq.Error) []string {
	var pids []string
	for _, m := range deadlockProcess.FindAllStringSubmatch(e.Detail, -1) {
		if !slices.Contains(pids, m[1]) {
			pids = append(pids, m[1])
		}
	}
	return pids
}

// IsStatementTimeout reports whether statement_timeout canceled a statement, and not another session:
// both have the same SQLSTATE.
func IsStatementTimeout(e *pq.Error) bool { return strings.Contains(e.Message, "statement timeout") }

// ExhaustedLockTable returns the setting with which the server's lock table can be enlarged if an error
// is about its size, or "".
func ExhaustedLockTable(e *pq.Error) string {
	for _, setting := range []string{"max_locks_per_transaction", "max_pred_locks_per_transaction"} {
		if strings.Contains(e.Hint, setting) { // the name is the same in every language
			return setting
		}
	}
	return ""
}

// SuggestedUsing returns the USING clause that the server suggests for a type change, or "".
func SuggestedUsing(e *pq.Error) string { return usingClause.FindString(e.Hint) }

// IsColumnOfView reports whether a column cannot be changed because a view or rule uses it.
func IsColumnOfView(e *pq.Error) bool {
	return e.Routine == "ATExecAlterColumnType" || strings.Contains(e.Detail, "depends on column")
}

// IsExtensionUnavailable reports whether the unsupported feature of an error is an extension.
func IsExtensionUnavailable(e *pq.Error) bool { return strings.Contains(e.Message, "extension") }

// A LimitScope is what a connection limit applies to.
type LimitScope int

const (
	ServerLimit LimitScope = iota
	RoleLimit
	DatabaseLimit
)

// ConnectionLimit returns which connection limit is exhausted, and the name of the role or database.
func ConnectionLimit(e *pq.Error) (scope LimitScope, name string) {
	name = QuotedName(e)
	switch {
	case name != "" && strings.Contains(e.Message, "for role"):
		return RoleLimit, name
	case name != "" && strings.Contains(e.Message, "for database"):
		return DatabaseLimit, name
	}
	return ServerLimit, ""
}

// A Volume is what a full disk of the database server holds.
type Volume int

const (
	DataVolume Volume = iota
	WALVolume
	TemporaryFilesVolume
	TablespaceVolume
)

// FullVolume returns the volume of the file that could not be extended, by its name in the message
// (PostgreSQL manual, "Database File Layout").
func FullVolume(e *pq.Error) Volume {
	switch {
	case strings.Contains(e.Message, "pg_wal"):
		return WALVolume
	case strings.Contains(e.Message, "pgsql_tmp"):
		return TemporaryFilesVolume
	case strings.Contains(e.Message, "pg_tblspc"):
		return TablespaceVolume
	}
	return DataVolume
}

// ErrorLineInDoBlock returns the line of a DO block, from 1, at which its code failed; 0 for none.
func ErrorLineInDoBlock(e *pq.Error) int {
	m := doBlockLine.FindStringSubmatch(e.Where)
	if m == nil {
		return 0
	}
	n, _ := strconv.Atoi(m[1]) // 0 if it is out of range
	return n
}

// CopyErrorRow returns the number of the COPY row, from 1, that caused an error; 0 for none.
func CopyErrorRow(e *pq.Error) int {
	m := copyPosition.FindStringSubmatch(e.Where)
	if m == nil {
		return 0
	}
	n, _ := strconv.Atoi(m[1]) // 0 if it is out of range
	return n
}

// showsOnlyKey reports whether the detail of a rejected row has only its partition key.
func showsOnlyKey(e *pq.Error) bool {
	return strings.HasPrefix(e.Detail, "Partition key of the failing row")
}

// contextWithoutRows returns the context of an error without the rows of a COPY.
func contextWithoutRows(e *pq.Error) string { return copyRow.ReplaceAllString(e.Where, "$1") }

// # lib/pq and database/sql

// isDriverError reports whether an error is lib/pq's own or one of the TLS handshake, and not one of
// the network. lib/pq hides some network errors from errors.As (those before anything was sent, so that
// database/sql may retry). Its own errors start with "pq:", and those of a handshake contain "tls:"; neither is temporary.
func isDriverError(err error) bool {
	text := err.Error()
	return strings.Contains(text, "pq:") || strings.Contains(text, "tls:")
}

// IsStandbyRefused reports whether lib/pq refused a server because it is a standby
// (target_session_attrs).
func IsStandbyRefused(err error) bool {
	return err != nil && strings.Contains(err.Error(), "hot standby")
}

// IsNotPEM reports whether lib/pq could not read sslrootcert as PEM.
func IsNotPEM(err error) bool { return strings.Contains(err.Error(), "couldn't parse pem") }

// IsCertificateError reports whether an error is any of crypto/x509, several of which have no type.
func IsCertificateError(err error) bool { return strings.Contains(err.Error(), "x509:") }

// ConnectionErrorText returns the text of an error of a connection. database/sql's text for a closed
// connection does not state that.
func ConnectionErrorText(err error) string {
	return strings.Replace(err.Error(), "driver: bad connection", "the server or the network closed it", 1)
}

// # Connection poolers
//
// Poolers report almost every error with one SQLSTATE: PgBouncer 08P01 (also for errors that its
// server reported with another), Supavisor XX000, pgcat 58000, RDS Proxy 0A000. Only the text shows
// whether a retry helps; an unknown text is classified by its SQLSTATE.

// transientPoolerTexts are parts of the messages that a pooler sends while its server is starting,
// restarting or busy.
var transientPoolerTexts = []string{
	// PgBouncer.
	"pgbouncer cannot connect to server", "server login has been failing", "server_login_retry", "client_login_timeout",
	"query_wait_timeout", "server conn crashed", "server connect timeout", "connect timeout", "connect failed", "server dns lookup failed",
	"no more connections allowed", "too many client connections", "max_client_conn", "server closed the connection", "shutting down", "pooler is shut down",
	"unexpected eof", "server down",
	// PostgreSQL, forwarded by PgBouncer.
	"the database system is starting up", "the database system is shutting down", "the database system is in recovery mode",
	"the database system is not yet accepting connections", "the database system is not accepting connections",
	"too many clients already", "too many connections for", "remaining connection slots are reserved", "terminating connection due to administrator command",
	// Supavisor.
	"max clients reached", "max client connections reached", "unable to check out", "connection to database not available",
	// pgcat and Odyssey.
	"could not get connection from the pool", "all servers down", "allserversdown", "failed to get remote server", "failed to connect to remote server",
}

// permanentPoolerTexts take precedence: a pooler includes them in its own message ("server login
// has been failing, cached error: password authentication failed").
var permanentPoolerTexts = []string{
	"password authentication failed", "no pg_hba.conf entry", "wrong password type", "does not exist", "no such database", "no such user",
	"tenant or user not found", "unsupported startup parameter", "not permitted to log in", "is disabled", "sasl authentication failed",
}

// isPoolerCode reports whether poolers use the SQLSTATE for errors of every kind.
func isPoolerCode(code pqerror.Code) bool {
	switch code {
	case pqerror.ProtocolViolation, pqerror.InternalError, pqerror.SystemError, pqerror.IOError:
		return true
	}
	return code.Class() == pqerror.ClassConnectionException
}

// isTransientPoolerError reports whether a pooler rejected a new session for a temporary reason.
func isTransientPoolerError(e *pq.Error) bool {
	if !isPoolerCode(e.Code) {
		return false
	}
	text := strings.ToLower(e.Message)
	for _, part := range permanentPoolerTexts {
		if strings.Contains(text, part) {
			return false
		}
	}
	for _, part := range transientPoolerTexts {
		if strings.Contains(text, part) {
			return true
		}
	}
	switch e.Code {
	case pqerror.ConnectionFailure, pqerror.SQLClientUnableToEstablishSQLConnection, pqerror.ConnectionException, pqerror.ConnectionDoesNotExist:
		return true // defined as connection failures
	}
	return false
}

// RefusedParameter returns the startup parameter that the pooler or server rejected, or "" for any
// other error.
func RefusedParameter(err error) (name string, byPooler bool) {
	var e *pq.Error
	if !errors.As(err, &e) {
		return "", false
	}
	switch e.Code {
	case pqerror.ProtocolViolation:
		_, rest, found := strings.Cut(e.Message, "unsupported startup parameter")
		if !found {
			return "", false
		}
		_, name, _ = strings.Cut(rest, ":")
		if name = strings.TrimSpace(name); strings.HasPrefix(rest, " in options") {
			return "options", true
		}
		name, _, _ = strings.Cut(name, "=") // without the value
		return name, true
	case pqerror.FeatureNotSupported:
		if strings.Contains(e.Message, "command-line options") {
			return "options", true
		}
	case pqerror.UndefinedObject:
		if rest, found := strings.CutPrefix(e.Message, "unrecognized configuration parameter \""); found {
			return strings.TrimSuffix(rest, "\""), false
		}
	}
	return "", false
}
