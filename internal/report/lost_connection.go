package report

import (
	"errors"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"

	"github.com/shiplock/shiplock/internal/postgres"
)

// sessionEnd returns what the server wrote before it ended the session, or nil.
func sessionEnd(err error) *pq.Error {
	var lost *postgres.LostError
	if errors.As(err, &lost) {
		return lost.Server
	}
	return nil
}

// endedByTimeoutSetting reports whether a limit on the transaction ended the session. The same
// migration would meet it again: the limits of the role and of the database are off in a
// session of the migrator, so the file has set it.
func endedByTimeoutSetting(end *pq.Error) bool {
	return end != nil && (end.Code == pqerror.TransactionTimeout || end.Code == pqerror.IdleInTransactionSessionTimeout)
}

// lostConnectionCode is the exit code of a run whose connection was lost: whether a retry helps. It
// does not where the database is gone, or no longer lets the role in.
func lostConnectionCode(err error) int {
	if end := sessionEnd(err); end != nil && end.Code == pqerror.DatabaseDropped || reconnectError(err) != nil {
		return ExitUsage // as where it is missing from the start
	}
	return ExitDatabase
}

// reconnectError is the attempt to connect again that no wait could help; nil for none.
func reconnectError(err error) *postgres.ConnectError {
	var connect *postgres.ConnectError
	if errors.As(err, &connect) && connect.Permanent && !errors.Is(err, postgres.ErrStandby) {
		return connect
	}
	return nil
}

// lostConnectionAdvice is the next step after the server has ended the session; "" where it did not
// write why. file is the migration's name, or "".
func lostConnectionAdvice(err error, file string) string {
	if again := reconnectError(err); again != nil {
		return "correct what keeps the role from connecting again (" + again.Err.Error() + "), and run it again"
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
			return "raise " + setting + " of the role or the database, and run it again"
		}
		return "raise " + setting + " in " + file + " or remove it from the file, or have the transaction do less, and deploy again"
	case pqerror.IdleSessionTimeout:
		return "run it again; if it happens again, set idle_session_timeout = 0 for the role that migrates (ALTER ROLE … SET)"
	case pqerror.DatabaseDropped:
		return "create the database again, or correct its name in the URL (or PGDATABASE), and run it again"
	case pqerror.CrashShutdown:
		return "run it again when the server has recovered; its log says which process crashed, and why"
	case pqerror.CannotConnectNow:
		return "run it again when the server accepts connections"
	}
	return ""
}
