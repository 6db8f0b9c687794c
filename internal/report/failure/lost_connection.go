package failure

import (
	"errors"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"

	"github.com/shiplock/shiplock/internal/postgres"
	"github.com/shiplock/shiplock/internal/report"
)

// sessionEnd returns the error that the server sent before it terminated the session, or nil.
func sessionEnd(err error) *pq.Error {
	var lost *postgres.LostError
	if errors.As(err, &lost) {
		return lost.Server
	}
	return nil
}

// endedByTimeoutSetting reports whether a timeout of the transaction ended the session. The
// same migration would exceed it again: the migrator's session disables the timeouts of the
// role and the database, so the file has set it.
func endedByTimeoutSetting(end *pq.Error) bool {
	return end != nil && (end.Code == pqerror.TransactionTimeout || end.Code == pqerror.IdleInTransactionSessionTimeout)
}

// lostConnectionCode returns the exit code of a run whose connection was lost. A retry does
// not help if the database no longer exists or no longer accepts the role.
func lostConnectionCode(err error) int {
	if end := sessionEnd(err); end != nil && end.Code == pqerror.DatabaseDropped || reconnectError(err) != nil {
		return report.ExitUsage // as where it is missing from the start
	}
	return report.ExitDatabase
}

// reconnectError returns the error of a reconnection that no wait could help, or nil.
func reconnectError(err error) *postgres.ConnectError {
	var connect *postgres.ConnectError
	if errors.As(err, &connect) && connect.Permanent && !errors.Is(err, postgres.ErrStandby) {
		return connect
	}
	return nil
}

// lostConnectionAdvice returns the next step after the server terminated the session, or ""
// if it sent no reason. file is the migration's name, or "".
func lostConnectionAdvice(err error, file string) string {
	if again := reconnectError(err); again != nil {
		return "fix the cause of the failed reconnection (" + again.Err.Error() + "), and run it again"
	}
	end := sessionEnd(err)
	if end == nil {
		return ""
	}
	switch end.Code {
	case pqerror.TransactionTimeout, pqerror.IdleInTransactionSessionTimeout:
		setting := "transaction_timeout"
		if end.Code == pqerror.IdleInTransactionSessionTimeout {
			setting = "idle_in_transaction_session_timeout"
		}
		if file == "" {
			return "raise " + setting + " for the role or the database, and run it again"
		}
		return "raise " + setting + " in " + file + " or remove it from the file, or change the transaction to do less, and deploy again"
	case pqerror.IdleSessionTimeout:
		return "run it again; if the error recurs, set idle_session_timeout = 0 for the role that runs the migrations (ALTER ROLE … SET)"
	case pqerror.DatabaseDropped:
		return "create the database again, or correct its name in the URL (or PGDATABASE), and run it again"
	case pqerror.CrashShutdown:
		return "run it again when the server has recovered; its log shows which process crashed, and why"
	case pqerror.CannotConnectNow:
		return "run it again when the server accepts connections"
	}
	return ""
}
