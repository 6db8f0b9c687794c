package report

import (
	"fmt"
	"time"

	"github.com/shiplock/shiplock/internal/config/credentials"
	"github.com/shiplock/shiplock/internal/postgres"
	"github.com/shiplock/shiplock/internal/text"
)

// secretReport describes a password that could not be read. A retry helps if the file may
// still appear, and not if a command failed.
func secretReport(e *credentials.Error, connect *postgres.ConnectError) Report {
	c := Report{Code: ExitUsage, Title: e.Error()}
	if e.Absent {
		c.Code = ExitDatabase
	}
	if connect != nil {
		c.Title = "no password for database " + connect.Target
		c.add("why", e.Error())
		if connect.Attempts > 1 {
			c.add("tried", fmt.Sprintf("%s in %s", text.Plural(connect.Attempts, "time"), connect.Waited.Round(100*time.Millisecond)))
		}
	}
	c.add("state", noChanges)
	next := e.Next
	if e.Awaited {
		next += "; the migrator waits for a file that is written while the pod starts (--wait-for-db)"
	}
	c.add("next", next)
	return c
}
