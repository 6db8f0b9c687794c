package report

import (
	"fmt"

	"github.com/lib/pq"

	"github.com/shiplock/shiplock/internal/postgres"
)

// roleReport describes a role that the session may not set.
func roleReport(target string, e *postgres.RoleError) Report {
	c := Report{Code: ExitUsage, Title: fmt.Sprintf("cannot set role %s in database %s", pq.QuoteIdentifier(e.Role), target)}
	c.addServer(e.Err)
	c.add("state", noChanges)
	with := ""
	if e.SetOption {
		with = " WITH SET TRUE"
	}
	grant := fmt.Sprintf("GRANT %s TO %s%s;", pq.QuoteIdentifier(e.Role), pq.QuoteIdentifier(e.User), with)
	if e.Missing {
		c.add("next", fmt.Sprintf("correct --role, or run as a superuser:\nCREATE ROLE %s NOLOGIN; %s", pq.QuoteIdentifier(e.Role), grant))
	} else {
		c.add("next", "run as a superuser: "+grant)
	}
	return c
}
