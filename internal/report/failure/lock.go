package failure

import (
	"fmt"
	"time"

	"github.com/shiplock/shiplock/internal/lock"
	"github.com/shiplock/shiplock/internal/report"
)

func lockedReport(_ error, e *lock.LockedError) report.Report {
	c := report.Report{Code: report.ExitLocked, Title: fmt.Sprintf("timed out after %s waiting for another migrator (--lock-wait)", e.Waited.Round(time.Millisecond))}
	if e.Holder != nil {
		c.Add("lock holder", e.Holder.String())
	}
	c.Add("state", noChanges)
	c.Add("next", "wait for the other migrator to finish and run it again, or raise --lock-wait\nto terminate a hanging migrator: SELECT pg_terminate_backend("+backendPID(e.Holder)+");")
	return c
}
