package report

import (
	"cmp"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"

	"github.com/shiplock/shiplock/internal/config"
	"github.com/shiplock/shiplock/internal/engine"
	"github.com/shiplock/shiplock/internal/plan"
	"github.com/shiplock/shiplock/internal/postgres"
	"github.com/shiplock/shiplock/internal/source"
)

// Diagnose says what an error of a run means: which exit code, which card. redact
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
		refusal   *plan.Refusal
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
		secret    *config.SecretError
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
			"the text is otherwise the same, as git's core.autocrlf leaves it",
			"restore the line endings, and keep them with a line in .gitattributes (\"*.sql text eol=lf\" for LF), or finish the migration manually, then: migrator repair --applied")
	case errors.As(err, &changed):
		return refusedReport(changed.Error(), "what is in effect does not run again, so what stands there now would never happen",
			"restore what was there and correct only what comes after, or finish the migration by hand and tell: migrator repair --applied")
	case errors.As(err, &session):
		return refusedReport(session.Error(), "a pooler lends a server's session for one transaction; what one statement sets or locks, the next may not find",
			"connect the migrator to PostgreSQL itself, or through a pool in session mode; the application can stay where it is")
	case errors.As(err, &apart):
		return refusedReport(apart.Error(), "--tx-mode all promises that a failed run leaves nothing at all",
			"deploy with --tx-mode file, or give this migration a release of its own")
	case errors.As(err, &rehearsal):
		return rehearsalReport(rehearsal)
	case errors.As(err, &scratch):
		return refusedReport(scratch.Error(), "a rehearsal makes and drops everything in it, again and again",
			"give --scratch-url a database that is empty, made for this (CREATE DATABASE scratch)")
	case errors.As(err, &table):
		return refusedReport(table.Message, table.Detail, table.Hint)
	case errors.As(err, &refusal):
		return refusedReport(refusal.Reason, refusal.Why, refusal.Next)
	case errors.As(err, &name):
		return refusedReport("the migrations folder is not in order", name.Error(), "mend the folder and deploy again")
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

func refusedReport(reason, why, next string) Report {
	c := Report{Code: ExitRefused, Title: "refused: " + reason}
	c.add("why", why)
	c.add("state", "nothing was run")
	c.add("next", next)
	return c
}

// statementsBefore says what is known of a script whose statement after the first n is in doubt.
func statementsBefore(n int) string {
	switch n {
	case 0:
		return "it is the first statement, and none after it is in effect"
	case 1:
		return "the statement before it is in effect, and none after it"
	}
	return fmt.Sprintf("the %d statements before it are in effect, and none after it", n)
}

func unprovableReport(e *postgres.UnknownOutcomeError) Report {
	if e.Uncounted {
		c := Report{Code: ExitRefused, Title: fmt.Sprintf("refused: %s was ended while it ran, and nothing tells how far it came", e.File)}
		c.add("migration", fmt.Sprintf("%s (version %d)", e.File, e.Version))
		c.add("why", "it changes the role, and the new one may have no right to the journal, so its statements are not counted")
		c.add("state", fmt.Sprintf("none, some or all of its %d statements are in effect", e.Of))
		c.add("next", "compare the schema with the file and finish it by hand, then: migrator repair --applied\nor undo what it did, then: migrator repair --rolled-back\nthen deploy again")
		return c
	}
	c := Report{Code: ExitRefused, Title: fmt.Sprintf("refused: %s was ended while statement %d of %d ran, and nothing tells whether that is in effect", e.File, e.Number, e.Of)}
	c.add("migration", fmt.Sprintf("%s, line %d (version %d)", e.File, e.Line, e.Version))
	c.addSQL("statement", e.Statement, -1)
	c.add("state", statementsBefore(e.Number-1))
	c.add("next", "look whether it did its work; if so: migrator repair --statement-applied\nif not: migrator repair --statement-not-applied\nthen deploy again")
	return c
}

func scriptReport(err error, e *postgres.ScriptError) Report {
	c := Report{Code: ExitRefused, Title: "refused: " + e.Error()}
	c.add("state", databaseState(err))
	c.add("next", "correct the file and deploy again")
	return c
}

func lockedReport(e *postgres.LockedError) Report {
	c := Report{Code: ExitLocked, Title: fmt.Sprintf("another migrator was at work for all of the %s that we waited (--lock-wait)", e.Waited.Round(time.Millisecond))}
	c.add("held by", e.Holder)
	c.add("state", "nothing was run here")
	c.add("next", "wait for the other to end and run it again, or give --lock-wait more time\nto end one that hangs: SELECT pg_terminate_backend("+pidIn(e.Holder)+");")
	return c
}

func connectReport(e *postgres.ConnectError) Report {
	var secret *config.SecretError
	if errors.As(e, &secret) {
		return secretReport(secret, e)
	}
	var role *postgres.RoleError
	if errors.As(e, &role) {
		return roleReport(e.Target, role)
	}
	c := Report{Code: ExitDatabase, Title: "cannot reach the database " + e.Target}
	if e.Permanent {
		c = Report{Code: ExitUsage, Title: "cannot use the database " + e.Target}
	}
	c.addServer(e.Err)
	var invalid x509.CertificateInvalidError
	if errors.As(e.Err, &invalid) && invalid.Reason == x509.Expired && invalid.Cert != nil {
		c.add("why", fmt.Sprintf("the server's certificate was good from %s to %s", invalid.Cert.NotBefore.UTC().Format(time.DateOnly), invalid.Cert.NotAfter.UTC().Format(time.DateOnly)))
	}
	if !e.Permanent {
		c.add("tried", fmt.Sprintf("%s in %s (%s)", Plural(e.Attempts, "time"), e.Waited.Round(100*time.Millisecond), e.Limit))
	}
	c.add("state", "nothing was run")
	c.add("next", connectAdvice(e.Err))
	return c
}

// connectAdvice is the next step for what a server or the network says to a new connection.
func connectAdvice(err error) string {
	var secret *config.SecretError
	if errors.As(err, &secret) {
		return secret.Next
	}
	if name, byPooler := postgres.RefusedParameter(err); byPooler {
		return "add " + name + " to ignore_startup_parameters of the pooler (PgBouncer), or remove it from the database URL or the PG* variables;\n" +
			"to set it all the same: ALTER ROLE … SET " + name + " = …, or connect the migrator to PostgreSQL itself"
	} else if name != "" {
		return "remove " + name + " from the database URL, or correct its name: PostgreSQL has no such setting (docs/guides/connection.md lists what each parameter does)"
	}
	var server *pq.Error
	if errors.As(err, &server) {
		switch server.Code {
		case pqerror.InvalidPassword:
			return "correct the password or the user: DATABASE_URL, PGPASSWORD or the password file, in Kubernetes the Secret that holds it"
		case pqerror.InvalidAuthorizationSpecification:
			return "let this user in by pg_hba.conf, or connect as another one (and check sslmode)"
		case pqerror.InvalidCatalogName:
			return fmt.Sprintf("correct the database's name in the URL (or PGDATABASE), or let an administrator run: %s;", createDatabase(server.Message))
		case pqerror.TooManyConnections:
			return connectionLimitAdvice(server.Message)
		case pqerror.CannotConnectNow:
			return "wait until the server has started or recovered (its log tells how far it is); a longer --wait-for-db waits for it"
		}
		return "see the server's log for more"
	}
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns):
		return fmt.Sprintf("correct the host name %q, or give its service time to appear (--wait-for-db)", dns.Name)
	case errors.Is(err, syscall.ECONNREFUSED):
		return "check host and port, and that the server is up; a server that starts slowly needs a longer --wait-for-db"
	case errors.Is(err, pq.ErrSSLNotSupported):
		return "the server has no TLS: set sslmode=disable if the network is trusted"
	case errors.Is(err, postgres.ErrStandby):
		return "connect to the primary; with several hosts, target_session_attrs=read-write finds it"
	case errors.Is(err, postgres.ErrNotPostgres):
		return "check host and port: another service listens there"
	}
	if advice := certificateAdvice(err); advice != "" {
		return advice
	}
	return "check host, port and network policies, and that the server is up"
}

var quoted = regexp.MustCompile(`"(.*)"`)

func createDatabase(message string) string {
	if m := quoted.FindStringSubmatch(message); m != nil {
		return "CREATE DATABASE " + pq.QuoteIdentifier(m[1])
	}
	return "CREATE DATABASE"
}

// connectionLimitAdvice tells whose limit is reached by the server's words.
func connectionLimitAdvice(message string) string {
	const who = "see who has them: SELECT usename, application_name, count(*) FROM pg_stat_activity GROUP BY 1, 2 ORDER BY 3 DESC;\n"
	m := quoted.FindStringSubmatch(message)
	switch {
	case m != nil && strings.Contains(message, "for role"):
		return who + "free some, or raise the role's limit: ALTER ROLE " + pq.QuoteIdentifier(m[1]) + " CONNECTION LIMIT …;"
	case m != nil && strings.Contains(message, "for database"):
		return who + "free some, or raise the database's limit: ALTER DATABASE " + pq.QuoteIdentifier(m[1]) + " CONNECTION LIMIT …;"
	}
	return who + "free some (smaller pools in the application), or raise max_connections and restart the server; then run it again"
}

// certificateAdvice is the next step where TLS does not come about; empty where something else failed.
func certificateAdvice(err error) string {
	var (
		authority x509.UnknownAuthorityError
		name      x509.HostnameError
		invalid   x509.CertificateInvalidError
		file      *fs.PathError
	)
	switch {
	case errors.As(err, &authority):
		return "name the file with the CA that signed the server's certificate: sslrootcert=FILE; without it the well-known CAs count"
	case errors.As(err, &name):
		return "connect by a name that is in the server's certificate, or have this one added to it"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "have the server's certificate renewed, or set this machine's clock right"
	case errors.As(err, &file):
		return "correct the path, or mount the file there: sslrootcert, sslcert and sslkey name files beside the migrator"
	case strings.Contains(err.Error(), "couldn't parse pem"): // lib/pq's words
		return "sslrootcert must name a file of certificates in PEM, each between BEGIN CERTIFICATE and END CERTIFICATE"
	case strings.Contains(err.Error(), "x509:"):
		return "have the server's certificate corrected; sslrootcert names the CA that is believed"
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
		c.add("next", "run it again (out of time: with a longer --timeout); what is done stays done, and it goes on from there")
		return c
	}
	switch {
	case errors.As(err, &lost):
		c.Code = lostConnectionCode(err)
		if lost.Server != nil {
			c.addServer(err)
		}
		c.add("state", databaseState(err))
		c.add("next", cmp.Or(lostConnectionAdvice(err, ""), "run it again when the database is back; its log says why it went"))
	case errors.Is(err, postgres.ErrStatementPooling):
		c.Code = ExitUsage
		c.add("state", databaseState(err))
		c.add("next", "connect the migrator to PostgreSQL itself, or through a pool in session or transaction mode")
	case errors.As(err, &incomplete):
		c.Code = ExitRefused
		c.add("next", "find out what else migrates this database, then run it again")
	case errors.As(err, &server):
		c.Code = ExitUsage
		c.Title = "the database does not let us work: " + server.Message
		c.addServer(err)
		c.add("state", databaseState(err))
		if run.Command == "rehearse" && server.Code == pqerror.InsufficientPrivilege {
			c.add("next", "let the scratch database belong to the role: ALTER DATABASE "+pq.QuoteIdentifier(run.Database[strings.LastIndex(run.Database, "/")+1:])+" OWNER TO "+pq.QuoteIdentifier(cmp.Or(run.Role, "ROLE"))+";")
			return c
		}
		c.add("next", tableAdvice(server.Message, run))
	case errors.Is(err, source.ErrNoMigrations):
		c.Code = ExitUsage
		c.add("next", "give the folder with --source or SHIPLOCK_SOURCE; in Kubernetes, take an image FROM the migrator with the files in /migrations, or a ConfigMap or image volume (migrations.* in the chart)")
	case errors.As(err, &usage), errors.Is(err, postgres.ErrNoSchema):
		c.Code = ExitUsage
	}
	return c
}

var deniedTable = regexp.MustCompile(`table "?([^"]+?)"?$`)

// readOnlyCommands read the version table and the history table, and write neither.
var readOnlyCommands = map[string]bool{"status": true, "history": true, "plan": true, "wait": true}

// tableAdvice is for a version table, or its history table, that belongs to another role.
func tableAdvice(message string, run Run) string {
	m := deniedTable.FindStringSubmatch(message)
	if m == nil {
		return "give the role its rights on the version table and its journal, or connect as their owner"
	}
	table, role := strings.TrimSuffix(strings.TrimSuffix(m[1], "_history"), "_exec"), pq.QuoteIdentifier(cmp.Or(run.Role, "ROLE"))
	one, other := pq.QuoteIdentifier(table), pq.QuoteIdentifier(table+"_history")
	if readOnlyCommands[run.Command] {
		return fmt.Sprintf("let the owner or a superuser run: GRANT SELECT ON %s TO %s;\nand the same with %s, if it is there", one, role, other)
	}
	return fmt.Sprintf("let a superuser run: ALTER TABLE %s OWNER TO %s;\nand the same with %s, if it is there; or connect as the role that owns them", one, role, other)
}

// stopCode is the exit code of a run that was ended from outside, or 0.
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

// databaseState tells how far a run came; without one, nothing was done.
func databaseState(err error) string {
	var run *engine.RunError
	if !errors.As(err, &run) {
		return "nothing was run"
	}
	return fmt.Sprintf("the database is %s; %s", atVersion(run.At()), progress(run))
}

// progress counts the migrations of a run.
func progress(run *engine.RunError) string {
	return fmt.Sprintf("%d of %d migrations done, %d to go", run.Applied, len(run.Plan.Steps), len(run.Plan.Steps)-run.Applied)
}

// atVersion places a database among its versions.
func atVersion(v int) string {
	if v == plan.NoVersion {
		return "before its first migration"
	}
	return fmt.Sprintf("at version %d", v)
}

func versionText(v int) string {
	if v == plan.NoVersion {
		return "none"
	}
	return fmt.Sprint(v)
}

// firstError is the first of several errors: what came of it is no news.
func firstError(err error) error {
	for {
		several, ok := err.(interface{ Unwrap() []error })
		if !ok || len(several.Unwrap()) == 0 {
			return err
		}
		err = several.Unwrap()[0]
	}
}

// addServer adds what PostgreSQL, or the network, said.
func (c *Report) addServer(err error) {
	var server *pq.Error
	if !errors.As(err, &server) {
		server = sessionEnd(err)
	}
	if server == nil {
		c.add("error", strings.Replace(firstError(err).Error(), "driver: bad connection", "the server or the network closed it", 1)) // database/sql's words
		return
	}
	c.add("postgres", fmt.Sprintf("%s: %s (SQLSTATE %s)", server.Severity, Clip(server.Message, maxSize/4), server.Code))
	c.add("detail", server.Detail)
	c.add("hint", server.Hint)
	c.add("context", innermostContext(server.Where))
}

// maxContextLines is how many lines of an error's context a report has.
const maxContextLines = 8

// innermostContext returns the first lines of an error's context, which are those of the
// innermost call. A recursive function gives thousands.
func innermostContext(context string) string {
	lines := strings.Split(context, "\n")
	if len(lines) <= maxContextLines {
		return context
	}
	return strings.Join(lines[:maxContextLines], "\n") + "\n…"
}
