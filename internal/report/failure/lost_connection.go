package failure

import (
	"errors"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"

	"github.com/shiplock/shiplock/internal/postgres"
	"github.com/shiplock/shiplock/internal/report"
	"github.com/shiplock/shiplock/internal/report/advice"
)

// endedByTimeoutSetting reports whether a timeout of the transaction ended the session. The
// same migration would exceed it again: the migrator's session disables the timeouts of the
// role and the database, so the file has set it.
func endedByTimeoutSetting(end *pq.Error) bool {
	return end != nil && (end.Code == pqerror.TransactionTimeout || end.Code == pqerror.IdleInTransactionSessionTimeout)
}

// lostDatabase returns the database in the text of an error that a lost connection caused, or "".
func lostDatabase(err error) string {
	var lost *postgres.LostError
	if errors.As(err, &lost) {
		return lost.Target
	}
	return ""
}

// lostConnectionCode returns the exit code of a run whose connection was lost. A retry does
// not help if the database no longer exists or no longer accepts the role.
func lostConnectionCode(err error) int {
	if end := advice.SessionEnd(err); end != nil && end.Code == pqerror.DatabaseDropped || advice.ReconnectError(err) != nil {
		return report.ExitUsage // as where it is missing from the start
	}
	return report.ExitDatabase
}
