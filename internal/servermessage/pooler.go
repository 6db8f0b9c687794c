package servermessage

import (
	"errors"
	"strings"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"
)

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

// IsTransientPoolerError reports whether a pooler rejected a new session for a temporary reason.
func IsTransientPoolerError(e *pq.Error) bool {
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
