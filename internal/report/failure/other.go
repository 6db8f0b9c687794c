package failure

import (
	"cmp"
	"errors"
	"strings"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"

	"github.com/shiplock/shiplock/internal/config"
	"github.com/shiplock/shiplock/internal/history"
	"github.com/shiplock/shiplock/internal/lock"
	"github.com/shiplock/shiplock/internal/migrator"
	"github.com/shiplock/shiplock/internal/postgres"
	"github.com/shiplock/shiplock/internal/report"
	"github.com/shiplock/shiplock/internal/report/advice"
	"github.com/shiplock/shiplock/internal/source"
)

func otherReport(err error, run report.Run) report.Report {
	var (
		usage      *config.UsageError
		lost       *postgres.LostError
		incomplete *migrator.IncompleteError
		server     *pq.Error
	)
	c := report.Report{Code: report.ExitInternal, Title: err.Error(), Database: lostDatabase(err)}
	if code := stopCode(err); code != 0 {
		c.Code = code
		c.Add("state", databaseState(err))
		c.Add("next", "run it again (after a timeout, with a longer --timeout); completed migrations are kept, and the next run resumes from there")
		return c
	}
	switch {
	case errors.As(err, &lost):
		c.Code = lostConnectionCode(err)
		if lost.Server != nil {
			addServer(&c, err)
		}
		c.Add("state", databaseState(err))
		c.Add("next", cmp.Or(advice.LostConnection(err, ""), "run it again when the database is available; the server log shows why the connection was lost"))
	case errors.Is(err, lock.ErrStatementPooling):
		c.Code = report.ExitUsage
		c.Add("state", databaseState(err))
		c.Add("next", "connect the migrator directly to PostgreSQL, or to a pool in session or transaction mode")
	case errors.As(err, &incomplete):
		c.Code = report.ExitRefused
		c.Add("next", "find the other tool that migrates this database, then run it again")
	case errors.As(err, &server):
		c.Code = report.ExitUsage
		c.Title = server.Message
		addServer(&c, err)
		c.Add("state", databaseState(err))
		if run.Command == "rehearse" && server.Code == pqerror.InsufficientPrivilege {
			c.Add("next", "change the owner of the scratch database: ALTER DATABASE "+pq.QuoteIdentifier(run.Database[strings.LastIndex(run.Database, "/")+1:])+" OWNER TO "+pq.QuoteIdentifier(cmp.Or(run.Role, "ROLE"))+";")
			return c
		}
		c.Add("next", advice.DeniedTable(server, run))
	case errors.Is(err, source.ErrNoMigrations):
		c.Code = report.ExitUsage
		c.Add("next", "set the directory with --source or SHIPLOCK_SOURCE; in Kubernetes, use an image FROM the migrator with the files in /migrations, or a ConfigMap or image volume (migrations.* in the chart)")
	case errors.Is(err, history.ErrNoSchema):
		c.Code = report.ExitUsage
		c.Title += "; create the schema, or set --table schema.table"
	case errors.As(err, &usage):
		c.Code = report.ExitUsage
	}
	return c
}
