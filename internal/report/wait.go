package report

import (
	"fmt"
	"strings"
	"time"

	"github.com/shiplock/shiplock/internal/engine"
)

// waitCard explains a wait that did not end as hoped. A database that was not
// reached at last is said with the code of one, whoever ended the wait for time.
func waitCard(e *engine.WaitError) Card {
	c := Card{Code: stopCode(e), Title: fmt.Sprintf("the schema is not there: %v", e.Err)}
	c.add("database", e.Target)
	c.add("waited", e.Waited.Round(100*time.Millisecond).String())
	if e.Unreachable != nil {
		c.addServer(e.Unreachable)
	} else {
		c.add("for", e.Missing)
	}
	c.add("state", "this verb changes nothing")
	switch {
	case e.Unreachable != nil:
		if c.Code == ExitTimeout {
			c.Code = ExitDatabase
		}
		c.add("next", strings.ReplaceAll(connectAdvice(e.Unreachable), "--wait-for-db", "--timeout"))
	case e.Unreadable:
		c.add("next", "GRANT SELECT on the version table to this role, and USAGE on its schema")
	default:
		c.add("next", "see why the migrations have not run: the output of the migrator that should run them (in Kubernetes its Job), and migrator status; then start this again")
	}
	return c
}
