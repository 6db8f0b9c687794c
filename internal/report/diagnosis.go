package report

import (
	"cmp"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"strings"
	"syscall"
	"time"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"

	"github.com/shiplock/shiplock/internal/config"
	"github.com/shiplock/shiplock/internal/config/credentials"
	"github.com/shiplock/shiplock/internal/engine"
	"github.com/shiplock/shiplock/internal/planner"
	"github.com/shiplock/shiplock/internal/postgres"
	"github.com/shiplock/shiplock/internal/source"
	"github.com/shiplock/shiplock/internal/text"
)

// Diagnose returns the failure report for the error of a run, with its exit code. redact
// hides secrets that the error's texts may hold.
func Diagnose(err error, run Run, redact func(string) string) Report {
	c := newReport(err, run)
	c.addRun(run)
	return c.sanitized(redact)
}

func newReport(err error, run Run) Report {
	var (
		migration *postgres.MigrationError
		script    *postgres.ScriptError
		planning  *planner.Refusal
		refusal   *engine.Refusal
		name      *source.NameError
		file      *source.UnreadableError
		locked    *postgres.LockedError
		connect   *postgres.ConnectError
		doubt     *postgres.UnknownOutcomeError
		changed   *postgres.ChangedError
		state     *postgres.SessionStateError
		wait      *engine.WaitError
		tool      *engine.ToolError
		start     *engine.StartError
		earlier   *engine.EarlierToolError
		session   *postgres.SessionRequiredError
		apart     *postgres.SeparateTransactionError
		secret    *credentials.Error
		loss      *engine.DataLossError
		rehearsal *engine.RehearsalError
		scratch   *postgres.NotScratchError
		table     *postgres.TableError
		baseline  *engine.BaselineError
	)
	switch {
	case errors.As(err, &wait):
		return waitReport(wait)
	case errors.As(err, &tool):
		return toolReport(tool)
	case errors.As(err, &earlier):
		return earlierToolReport(earlier)
	case errors.As(err, &start):
		return startReport(start)
	case errors.As(err, &loss):
		return dataLossReport(loss)
	case errors.As(err, &baseline):
		return baselineReport(baseline)
	case errors.As(err, &script):
		return scriptReport(err, script)
	case errors.As(err, &migration):
		return migrationReport(err, migration)
	case errors.As(err, &doubt):
		return unprovableReport(doubt)
	case errors.As(err, &state):
		return sessionStateReport(state)
	case errors.As(err, &changed) && changed.LineEndings:
		return refusedReport(changed.Error(), "PostgreSQL stores the line breaks of a string or a function body as they are in the file, so they count; "+
			"the text is otherwise identical, as after a conversion by git's core.autocrlf",
			"restore the line endings, and keep them with a line in .gitattributes (\"*.sql text eol=lf\" for LF), or complete the migration manually, then run: migrator repair --applied")
	case errors.As(err, &changed):
		return refusedReport(changed.Error(), "applied statements do not run again, so the changed text would never run",
			"restore the applied statements and correct only those after them, or complete the migration manually, then run: migrator repair --applied")
	case errors.As(err, &session):
		return refusedReport(session.Error(), "a connection pooler in transaction mode assigns a server session for one transaction; the next statement may not see what this one sets or locks",
			"connect the migrator directly to PostgreSQL, or to a pool in session mode; the application needs no change")
	case errors.As(err, &apart):
		return refusedReport(apart.Error(), "--tx-mode all guarantees that a failed run leaves no changes",
			"deploy with --tx-mode file, or move this migration to a separate release")
	case errors.As(err, &rehearsal):
		return rehearsalReport(rehearsal)
	case errors.As(err, &scratch):
		return refusedReport(scratch.Error(), "a rehearsal repeatedly creates and drops everything in this database",
			"set --scratch-url to an empty database that is used for nothing else (CREATE DATABASE scratch)")
	case errors.As(err, &table):
		return tableReport(table)
	case errors.As(err, &planning):
		return plannerRefusalReport(planning)
	case errors.As(err, &refusal):
		return refusedReport(refusal.Reason, refusal.Why, refusal.Next)
	case errors.As(err, &name):
		return invalidNameReport(name)
	case errors.As(err, &file):
		return unreadableFileReport(err, file)
	case errors.As(err, &locked):
		return lockedReport(locked)
	case errors.As(err, &connect):
		return connectReport(connect)
	case errors.As(err, &secret):
		return secretReport(secret, nil)
	}
	return otherReport(err, run)
}

// noChanges is the state of a database on which nothing was run.
const noChanges = "no changes were made"

func refusedReport(reason, why, next string) Report {
	c := Report{Code: ExitRefused, Title: "refused: " + reason}
	c.add("why", why)
	c.add("state", noChanges)
	c.add("next", next)
	return c
}

// statementsBefore describes the state of a script of which it is unknown whether the
// statement after the first n took effect.
func statementsBefore(n int) string {
	switch n {
	case 0:
		return "it is the first statement; the statements after it are not applied"
	case 1:
		return "the statement before it is applied; the statements after it are not"
	}
	return fmt.Sprintf("the %d statements before it are applied; the statements after it are not", n)
}

func unprovableReport(e *postgres.UnknownOutcomeError) Report {
	if e.Uncounted {
		c := Report{Code: ExitRefused, Title: fmt.Sprintf("refused: %s was interrupted, and it is unknown which of its statements took effect", e.File)}
		c.add("migration", fmt.Sprintf("%s (version %d)", e.File, e.Version))
		c.add("why", "the file changes the role, and the new role may lack privileges on the history table, so its statements are not counted")
		c.add("state", fmt.Sprintf("none, some or all of its %d statements are applied", e.Total))
		c.add("next", "compare the schema with the file and complete the migration manually, then run: migrator repair --applied\nor roll back its changes manually, then run: migrator repair --rolled-back\nthen deploy again")
		return c
	}
	c := Report{Code: ExitRefused, Title: fmt.Sprintf("refused: %s was interrupted during statement %d of %d, and it is unknown whether that statement took effect", e.File, e.Number, e.Total)}
	c.add("migration", fmt.Sprintf("%s, line %d (version %d)", e.File, e.Line, e.Version))
	c.addSQL("statement", e.Statement, -1)
	c.add("state", statementsBefore(e.Number-1))
	c.add("next", "check whether the statement took effect; if it did, run: migrator repair --statement-applied\nif it did not, run: migrator repair --statement-not-applied\nthen deploy again")
	return c
}

func scriptReport(err error, e *postgres.ScriptError) Report {
	c := Report{Code: ExitRefused, Title: "refused: " + e.Error()}
	c.add("state", databaseState(err))
	c.add("next", "correct the file and deploy again")
	return c
}

func lockedReport(e *postgres.LockedError) Report {
	c := Report{Code: ExitLocked, Title: fmt.Sprintf("timed out after %s waiting for another migrator (--lock-wait)", e.Waited.Round(time.Millisecond))}
	if e.Holder != nil {
		c.add("lock holder", e.Holder.String())
	}
	c.add("state", noChanges)
	c.add("next", "wait for the other migrator to finish and run it again, or raise --lock-wait\nto terminate a hanging migrator: SELECT pg_terminate_backend("+backendPID(e.Holder)+");")
	return c
}

func connectReport(e *postgres.ConnectError) Report {
	var secret *credentials.Error
	if errors.As(e, &secret) {
		return secretReport(secret, e)
	}
	var role *postgres.RoleError
	if errors.As(e, &role) {
		return roleReport(e.Target, role)
	}
	c := Report{Code: ExitDatabase, Title: "cannot connect to database " + e.Target}
	if e.Permanent {
		c = Report{Code: ExitUsage, Title: "cannot use database " + e.Target}
	}
	c.addServer(e.Err)
	var invalid x509.CertificateInvalidError
	if errors.As(e.Err, &invalid) && invalid.Reason == x509.Expired && invalid.Cert != nil {
		c.add("why", fmt.Sprintf("the server's certificate is valid from %s to %s", invalid.Cert.NotBefore.UTC().Format(time.DateOnly), invalid.Cert.NotAfter.UTC().Format(time.DateOnly)))
	}
	if !e.Permanent {
		c.add("tried", fmt.Sprintf("%s in %s (%s)", text.Plural(e.Attempts, "time"), e.Waited.Round(100*time.Millisecond), connectLimits[e.Limit]))
	}
	c.add("state", noChanges)
	c.add("next", connectAdvice(e.Err))
	return c
}

// connectLimits are the flags that limit the attempts to connect.
var connectLimits = map[postgres.ConnectLimit]string{
	postgres.ConnectAttemptsLimit: "--connect-attempts",
	postgres.WaitForDBLimit:       "--wait-for-db",
}

// connectAdvice returns the next step after a new connection failed.
func connectAdvice(err error) string {
	var secret *credentials.Error
	if errors.As(err, &secret) {
		return secret.Next
	}
	if name, byPooler := postgres.RefusedParameter(err); byPooler {
		return "add " + name + " to ignore_startup_parameters of the pooler (PgBouncer), or remove it from the database URL or the PG* variables;\n" +
			"to keep the setting, run: ALTER ROLE … SET " + name + " = …, or connect the migrator directly to PostgreSQL"
	} else if name != "" {
		return "remove " + name + " from the database URL, or correct its name: PostgreSQL has no such setting (docs/guides/connection.md lists the parameters)"
	}
	var server *pq.Error
	if errors.As(err, &server) {
		switch server.Code {
		case pqerror.InvalidPassword:
			return "correct the password or the user in DATABASE_URL, PGPASSWORD or the password file; in Kubernetes, in the Secret that holds it"
		case pqerror.InvalidAuthorizationSpecification:
			return "allow this user in pg_hba.conf, or connect as another user (and check sslmode)"
		case pqerror.InvalidCatalogName:
			return fmt.Sprintf("correct the database name in the URL (or PGDATABASE), or run as an administrator: %s;", createDatabase(server))
		case pqerror.TooManyConnections:
			return connectionLimitAdvice(server)
		case pqerror.CannotConnectNow:
			return "wait until the server has started or recovered (its log shows the progress), or raise --wait-for-db"
		}
		return "see the server log for details"
	}
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns):
		return fmt.Sprintf("correct the host name %q, or raise --wait-for-db if its service is still being created", dns.Name)
	case errors.Is(err, syscall.ECONNREFUSED):
		return "check the host, the port, and that the server is running; raise --wait-for-db if it starts slowly"
	case errors.Is(err, pq.ErrSSLNotSupported):
		return "set sslmode=disable if the network is trusted: the server does not support TLS"
	case errors.Is(err, postgres.ErrStandby):
		return "connect to the primary; with several hosts, target_session_attrs=read-write selects it"
	case errors.Is(err, postgres.ErrNotPostgres):
		return "check the host and port: another service is listening there"
	}
	if advice := certificateAdvice(err); advice != "" {
		return advice
	}
	return "check the host, the port, network policies, and that the server is running"
}

func createDatabase(e *pq.Error) string { return "CREATE DATABASE" + quotedName(e) }

// connectionLimitAdvice returns the advice for the connection limit that the server's
// message names: that of the role, the database or the server.
func connectionLimitAdvice(e *pq.Error) string {
	const list = "list the connections: SELECT usename, application_name, count(*) FROM pg_stat_activity GROUP BY 1, 2 ORDER BY 3 DESC;\n"
	switch scope, name := postgres.ConnectionLimit(e); scope {
	case postgres.RoleLimit:
		return list + "close some, or raise the role's limit: ALTER ROLE " + pq.QuoteIdentifier(name) + " CONNECTION LIMIT …;"
	case postgres.DatabaseLimit:
		return list + "close some, or raise the database's limit: ALTER DATABASE " + pq.QuoteIdentifier(name) + " CONNECTION LIMIT …;"
	}
	return list + "close some (use smaller pools in the application), or raise max_connections and restart the server; then run it again"
}

// certificateAdvice returns the next step after a TLS handshake failed, or "" for other errors.
func certificateAdvice(err error) string {
	var (
		authority x509.UnknownAuthorityError
		name      x509.HostnameError
		invalid   x509.CertificateInvalidError
		file      *fs.PathError
	)
	switch {
	case errors.As(err, &authority):
		return "set sslrootcert=FILE to the CA that signed the server's certificate; without it, the system's CAs are used"
	case errors.As(err, &name):
		return "connect with a host name that is in the server's certificate, or add this one to the certificate"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "renew the server's certificate, or correct this machine's clock"
	case errors.As(err, &file):
		return "correct the path, or mount the file there: sslrootcert, sslcert and sslkey are paths on the migrator's machine"
	case postgres.IsNotPEM(err):
		return "set sslrootcert to a file of PEM certificates, each between BEGIN CERTIFICATE and END CERTIFICATE"
	case postgres.IsCertificateError(err):
		return "correct the server's certificate; sslrootcert names the trusted CA"
	}
	return ""
}

func otherReport(err error, run Run) Report {
	var (
		usage      *config.UsageError
		lost       *postgres.LostError
		incomplete *engine.IncompleteError
		server     *pq.Error
	)
	c := Report{Code: ExitInternal, Title: err.Error()}
	if code := stopCode(err); code != 0 {
		c.Code = code
		c.add("state", databaseState(err))
		c.add("next", "run it again (after a timeout, with a longer --timeout); completed migrations are kept, and the next run resumes from there")
		return c
	}
	switch {
	case errors.As(err, &lost):
		c.Code = lostConnectionCode(err)
		if lost.Server != nil {
			c.addServer(err)
		}
		c.add("state", databaseState(err))
		c.add("next", cmp.Or(lostConnectionAdvice(err, ""), "run it again when the database is available; the server log shows why the connection was lost"))
	case errors.Is(err, postgres.ErrStatementPooling):
		c.Code = ExitUsage
		c.add("state", databaseState(err))
		c.add("next", "connect the migrator directly to PostgreSQL, or to a pool in session or transaction mode")
	case errors.As(err, &incomplete):
		c.Code = ExitRefused
		c.add("next", "find the other tool that migrates this database, then run it again")
	case errors.As(err, &server):
		c.Code = ExitUsage
		c.Title = server.Message
		c.addServer(err)
		c.add("state", databaseState(err))
		if run.Command == "rehearse" && server.Code == pqerror.InsufficientPrivilege {
			c.add("next", "change the owner of the scratch database: ALTER DATABASE "+pq.QuoteIdentifier(run.Database[strings.LastIndex(run.Database, "/")+1:])+" OWNER TO "+pq.QuoteIdentifier(cmp.Or(run.Role, "ROLE"))+";")
			return c
		}
		c.add("next", tableAdvice(server, run))
	case errors.Is(err, source.ErrNoMigrations):
		c.Code = ExitUsage
		c.add("next", "set the directory with --source or SHIPLOCK_SOURCE; in Kubernetes, use an image FROM the migrator with the files in /migrations, or a ConfigMap or image volume (migrations.* in the chart)")
	case errors.Is(err, postgres.ErrNoSchema):
		c.Code = ExitUsage
		c.Title += "; create the schema, or set --table schema.table"
	case errors.As(err, &usage):
		c.Code = ExitUsage
	}
	return c
}

// readOnlyCommands are the commands that read the version table and the history table,
// and write neither.
var readOnlyCommands = map[string]bool{"status": true, "history": true, "plan": true, "wait": true}

// tableAdvice returns the advice for a version table, or its history table, that belongs
// to another role.
func tableAdvice(e *pq.Error, run Run) string {
	denied := postgres.DeniedTable(e)
	if denied == "" {
		return "grant the role its privileges on the version table and the history table, or connect as their owner"
	}
	table, role := strings.TrimSuffix(denied, "_history"), pq.QuoteIdentifier(cmp.Or(run.Role, "ROLE"))
	versions, history := pq.QuoteIdentifier(table), pq.QuoteIdentifier(table+"_history")
	if readOnlyCommands[run.Command] {
		return fmt.Sprintf("run as the owner or a superuser: GRANT SELECT ON %s TO %s;\nand the same for %s, if it exists", versions, role, history)
	}
	return fmt.Sprintf("run as a superuser: ALTER TABLE %s OWNER TO %s;\nand the same for %s, if it exists; or connect as the role that owns them", versions, role, history)
}

// stopCode returns the exit code of a run that was stopped by its timeout or a signal, or 0.
func stopCode(err error) int {
	var timeout *engine.TimeoutError
	if errors.As(err, &timeout) {
		return ExitTimeout
	}
	var signal *engine.SignalError
	if errors.As(err, &signal) {
		if n, ok := signal.Signal.(syscall.Signal); ok {
			return ExitSignal + int(n)
		}
		return ExitSignal
	}
	return 0
}

// databaseState returns the version of the database and the progress of the run, or
// noChanges without a run.
func databaseState(err error) string {
	var run *engine.RunError
	if !errors.As(err, &run) {
		return noChanges
	}
	return databaseAt(run.At()) + "; " + progress(run)
}

// progress returns how many migrations of a run are completed.
func progress(run *engine.RunError) string {
	return fmt.Sprintf("%d of %d migrations completed, %d remaining", run.Applied, len(run.Plan.Steps), len(run.Plan.Steps)-run.Applied)
}

// databaseAt describes the version of a database.
func databaseAt(v int) string {
	if v == planner.NoVersion {
		return "database has no migrations applied"
	}
	return fmt.Sprintf("database is at version %d", v)
}

// firstError returns the first of several joined errors; the others are its consequences.
func firstError(err error) error {
	for {
		several, ok := err.(interface{ Unwrap() []error })
		if !ok || len(several.Unwrap()) == 0 {
			return err
		}
		err = several.Unwrap()[0]
	}
}

// addServer adds the error of PostgreSQL or of the network.
func (c *Report) addServer(err error) {
	var server *pq.Error
	if !errors.As(err, &server) {
		server = sessionEnd(err)
	}
	if server == nil {
		c.add("error", postgres.ConnectionErrorText(firstError(err)))
		return
	}
	c.add("postgres", fmt.Sprintf("%s: %s (SQLSTATE %s)", server.Severity, text.Clip(server.Message, maxSize/4), server.Code))
	c.add("detail", server.Detail)
	c.add("hint", server.Hint)
	c.add("context", innermostContext(server.Where))
}

// maxContextLines is the most lines of an error's context in a report.
const maxContextLines = 8

// innermostContext returns the first lines of an error's context, those of the innermost
// call. A recursive function produces thousands.
func innermostContext(context string) string {
	lines := strings.Split(context, "\n")
	if len(lines) <= maxContextLines {
		return context
	}
	return strings.Join(lines[:maxContextLines], "\n") + "\n…"
}
