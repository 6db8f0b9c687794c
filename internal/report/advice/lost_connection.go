package advice

import (
	"errors"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"

	"github.com/shiplock/shiplock/internal/postgres"
)

// SessionEnd returns the error that the server sent before it terminated the session, or nil.
func SessionEnd(err error) *pq.Error {
	var lost *postgres.LostError
	if errors.As(err, &lost) {
		return lost.Server
	}
	return nil
}

// ReconnectError returns the error of a reconnection that no wait could help, or nil.
func ReconnectError(err error) *postgres.ConnectError {
	var connect *postgres.ConnectError
	if errors.As(err, &connect) && connect.Permanent && !errors.Is(err, postgres.ErrStandby) {
		return connect
	}
	return nil
}

// LostConnection returns the next step after the server terminated the session, or ""
// if it sent no reason. file is the migration's name, or "".
func LostConnection(err error, file string) string {
	if again := ReconnectError(err); again != nil {
		return "fix the cause of the failed reconnection (" + again.Err.Error() + "), and run it again"
	}
	end := SessionEnd(err)
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
