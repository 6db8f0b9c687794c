package report

import (
	"fmt"
	"strings"
	"time"

	"github.com/shiplock/shiplock/internal/engine"
)

// waitReport explains a wait that did not end as hoped. A database that was not
// reached at last is said with the code of one, whoever ended the wait for time.
func waitReport(e *engine.WaitError) Report {
	what := "the schema is not yet where it should be"
	switch {
	case e.Unreachable != nil:
		what = "the schema was waited for, and the database does not answer"
	case e.Unreadable:
		what = "the schema was waited for, and its version cannot be read"
	case e.Unresponsive:
		what = "the schema was waited for, and the version table has not answered"
	}
	c := Report{Code: stopCode(e), Title: fmt.Sprintf("%s (%v)", what, e.Err)}
	c.add("database", e.Target)
	c.add("waited", e.Waited.Round(100*time.Millisecond).String())
	if e.Unreachable != nil {
		c.addServer(e.Unreachable)
	} else {
		c.add("for", e.Missing)
	}
	c.add("state", "migrator wait changes nothing")
	switch {
	case e.Unreachable != nil:
		if c.Code == ExitTimeout {
			c.Code = ExitDatabase
		}
		c.add("next", strings.ReplaceAll(connectAdvice(e.Unreachable), "--wait-for-db", "--timeout"))
	case e.Unreadable:
		c.add("next", "let the owner GRANT SELECT on the version table to this role, and USAGE on its schema")
	case e.Unresponsive:
		c.add("next", "see who has it locked: SELECT pid, application_name, query FROM pg_stat_activity WHERE pid IN (SELECT pid FROM pg_locks WHERE mode = 'AccessExclusiveLock');\nthen start this again; a slow server needs a longer --timeout")
	default:
		c.add("next", "see why the migrations have not run: the output of the migrator that should run them (in Kubernetes its Job), and migrator status; then start this again")
	}
	return c
}
