package failure

import (
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"github.com/lib/pq"

	"github.com/shiplock/shiplock/internal/config/credentials"
	"github.com/shiplock/shiplock/internal/postgres"
	"github.com/shiplock/shiplock/internal/report"
	"github.com/shiplock/shiplock/internal/report/advice"
	"github.com/shiplock/shiplock/internal/text"
)

func connectReport(_ error, e *postgres.ConnectError) report.Report {
	var secret *credentials.Error
	if errors.As(e, &secret) {
		return connectSecretReport(secret, e)
	}
	var role *postgres.RoleError
	if errors.As(e, &role) {
		return roleReport(e.Target, role)
	}
	c := report.Report{Code: report.ExitDatabase, Title: "cannot connect to database " + e.Target}
	if e.Permanent {
		c = report.Report{Code: report.ExitUsage, Title: "cannot use database " + e.Target}
	}
	c.Database = e.Target
	addServer(&c, e.Err)
	var invalid x509.CertificateInvalidError
	if errors.As(e.Err, &invalid) && invalid.Reason == x509.Expired && invalid.Cert != nil {
		c.Add("why", fmt.Sprintf("the server's certificate is valid from %s to %s", invalid.Cert.NotBefore.UTC().Format(time.DateOnly), invalid.Cert.NotAfter.UTC().Format(time.DateOnly)))
	}
	if !e.Permanent {
		c.Add("tried", fmt.Sprintf("%s in %s (%s)", text.Plural(e.Attempts, "time"), e.Waited.Round(100*time.Millisecond), connectLimits[e.Limit]))
	}
	c.Add("state", noChanges)
	c.Add("next", advice.Connection(e.Err, waitForDBFlag))
	return c
}

// waitForDBFlag is the flag that limits the wait for the database.
const waitForDBFlag = "--wait-for-db"

// connectLimits are the flags that limit the attempts to connect.
var connectLimits = map[postgres.ConnectLimit]string{
	postgres.ConnectAttemptsLimit: "--connect-attempts",
	postgres.WaitForDBLimit:       waitForDBFlag,
}

// secretReport describes a password that could not be read. A retry helps if the file may still appear,
// and not if a command failed.
func secretReport(_ error, e *credentials.Error) report.Report {
	c := report.Report{Code: report.ExitUsage, Title: e.Error()}
	if e.Absent {
		c.Code = report.ExitDatabase
	}
	c.Add("state", noChanges)
	c.Add("next", advice.Secret(e, waitForDBFlag))
	return c
}

// connectSecretReport describes a password that could not be read for a connection.
func connectSecretReport(e *credentials.Error, connect *postgres.ConnectError) report.Report {
	c := secretReport(e, e)
	rows := c.Rows
	c.Title, c.Database, c.Rows = "no password for database "+connect.Target, connect.Target, nil
	c.Add("why", e.Error())
	if connect.Attempts > 1 {
		c.Add("tried", fmt.Sprintf("%s in %s", text.Plural(connect.Attempts, "time"), connect.Waited.Round(100*time.Millisecond)))
	}
	c.Rows = append(c.Rows, rows...)
	return c
}

// roleReport describes a role that the session may not set.
func roleReport(target string, e *postgres.RoleError) report.Report {
	c := report.Report{Code: report.ExitUsage, Title: fmt.Sprintf("cannot set role %s in database %s", pq.QuoteIdentifier(e.Role), target), Database: target}
	addServer(&c, e.Err)
	c.Add("state", noChanges)
	with := ""
	if e.SetOption {
		with = " WITH SET TRUE"
	}
	grant := fmt.Sprintf("GRANT %s TO %s%s;", pq.QuoteIdentifier(e.Role), pq.QuoteIdentifier(e.User), with)
	if e.Missing {
		c.Add("next", fmt.Sprintf("correct --role, or run as a superuser:\nCREATE ROLE %s NOLOGIN; %s", pq.QuoteIdentifier(e.Role), grant))
	} else {
		c.Add("next", "run as a superuser: "+grant)
	}
	return c
}
