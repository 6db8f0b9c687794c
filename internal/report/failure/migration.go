package failure

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/lib/pq/pqerror"

	"github.com/shiplock/shiplock/internal/activity"
	"github.com/shiplock/shiplock/internal/interrupt"
	"github.com/shiplock/shiplock/internal/migrationerror"
	"github.com/shiplock/shiplock/internal/migrator"
	"github.com/shiplock/shiplock/internal/planner"
	"github.com/shiplock/shiplock/internal/postgres"
	"github.com/shiplock/shiplock/internal/report"
	"github.com/shiplock/shiplock/internal/report/advice"
	"github.com/shiplock/shiplock/internal/script"
	"github.com/shiplock/shiplock/internal/servermessage"
	"github.com/shiplock/shiplock/internal/source"
)

func migrationReport(err error, e *migrationerror.Error) report.Report {
	stopped := stopCode(err)
	c := report.Report{Code: report.ExitFailed, Title: migrationTitle(e, interruptionOf(err, e))}
	if e.Outcome != migrationerror.RolledBack {
		c.Code = report.ExitPartiallyApplied
	}
	if stopped != 0 {
		c.Code = stopped
	} else if end := advice.SessionEnd(e.Err); e.Server() == nil && !endedByTimeoutSetting(end) {
		c.Code = lostConnectionCode(err) // applied statements are in the history table; the next run checks the rest
	}
	addPosition(&c, e)
	if stopped == 0 || !endedByStop(e) { // otherwise the title has the reason
		addServer(&c, e.Err)
	}
	addInternalQuery(&c, e)
	why := causes(e)
	if e.OwnTable != "" {
		why = []string{fmt.Sprintf("the statement processes all tables, including %s, which Shiplock or golang-migrate maintains", e.OwnTable)}
	}
	c.Add("why", strings.Join(why, "\n"))
	c.Add("blocked by", blockingSessions(e.Blockers))
	c.Add("state", migrationState(err, e))
	if what, sql := leftovers(e); what != "" {
		c.Add("leftover", what+"\nthe next run removes or completes it; to do this now, run: "+sql)
	}
	c.Add("next", migrationAdvice(err, e, stopped))
	return c
}

// An interruption is why a migration ended before its last statement. It is zero if a statement failed.
type interruption struct {
	reason string
	// connectionLost is set if the reason is the loss of the connection, and not a stop of the run.
	connectionLost bool
}

// interruptionOf returns why a migration ended. A timeout that the file itself has set is a failure.
func interruptionOf(err error, e *migrationerror.Error) interruption {
	var lost *postgres.LostError
	switch {
	case stopCode(err) != 0:
		return interruption{reason: stopReason(err)}
	case !errors.As(e.Err, &lost), endedByTimeoutSetting(lost.Server):
		return interruption{}
	case lost.Server != nil:
		return interruption{"session terminated by the server", true}
	}
	return interruption{"connection lost", true}
}

// String returns what happened to the migration: "failed", or "was interrupted (reason)".
func (i interruption) String() string {
	if i.reason == "" {
		return "failed"
	}
	return "was interrupted (" + i.reason + ")"
}

// withoutLoss is String without the loss of the connection as the reason.
func (i interruption) withoutLoss() string {
	if i.connectionLost {
		return "was interrupted"
	}
	return i.String()
}

func migrationTitle(e *migrationerror.Error, why interruption) string {
	switch {
	case e.Outcome == migrationerror.PartiallyApplied && e.StatementsApplied == 0 && len(e.Leftovers) > 0:
		what, _ := leftovers(e)
		return fmt.Sprintf("migration %s %s and left an object in the database: %s", e.File, why.withoutLoss(), what)
	case e.Outcome == migrationerror.PartiallyApplied:
		return fmt.Sprintf("migration %s %s and is partially applied (%s)", e.File, why.withoutLoss(), statements(e.StatementsApplied, len(e.Script.Statements)))
	case e.Outcome == migrationerror.Unknown:
		reason := ""
		if why.reason != "" && !why.connectionLost {
			reason = " (" + why.reason + ")"
		}
		if commitUnanswered(e) {
			return fmt.Sprintf("migration %s was interrupted during COMMIT%s; it is unknown whether it took effect", e.File, reason)
		}
		return fmt.Sprintf("migration %s was interrupted%s; it is unknown whether its last statement took effect", e.File, reason)
	}
	database := report.DatabaseAt(e.Before)
	switch {
	case e.RecordingFailed && !e.Script.Transactional && e.FailedIndex < 0:
		return fmt.Sprintf("migration %s was not started because its version could not be recorded; %s", e.File, database)
	case e.RecordingFailed:
		return fmt.Sprintf("migration %s was rolled back because its version could not be recorded; %s", e.File, database)
	case why.reason == "":
		return fmt.Sprintf("migration %s failed and was rolled back; %s", e.File, database)
	}
	return fmt.Sprintf("migration %s %s and rolled back; %s", e.File, why, database)
}

func addPosition(c *report.Report, e *migrationerror.Error) {
	position := fmt.Sprintf("%s (%s)", e.File, e.Step())
	if line, column := e.Position(); line > 0 {
		position = fmt.Sprintf("%s, line %d, column %d (%s)", e.File, line, column, e.Step())
	}
	c.Add("migration", position)
	st, known := e.Statement()
	switch {
	case e.RecordingFailed && (!known || e.Script.Transactional):
	case known:
		c.AddSQL("statement", st.Text, offsetInStatement(st, e.Offset))
	case e.Script != nil && e.Script.Transactional && e.FailedIndex >= len(e.Script.Statements) && e.FailedIndex >= 0 && e.Server() != nil:
		c.AddVerbatim("statement", "COMMIT (deferred constraints are checked at this point)")
	case e.Script != nil && e.Offset >= 0:
		c.AddSQL("statement", e.Script.SQL, e.Offset)
	}
}

// offsetInStatement converts an offset in the file to one in the statement, or returns -1
// if it lies outside the statement.
func offsetInStatement(st script.Statement, offset int) int {
	if at := offset - st.Offset; offset >= 0 && at >= 0 && at <= len(st.Text) {
		return at
	}
	return -1
}

func migrationState(err error, e *migrationerror.Error) string {
	total := 0
	if e.Script != nil {
		total = e.Script.Count()
	}
	switch e.Outcome {
	case migrationerror.PartiallyApplied:
		return fmt.Sprintf("%s applied, none after them; version %s is marked dirty until the remaining statements are applied",
			statements(e.StatementsApplied, total), planner.VersionText(e.Version))
	case migrationerror.Unknown:
		if commitUnanswered(e) {
			return "this migration is either applied or rolled back as a whole; migrator status shows which"
		}
		return fmt.Sprintf("%s applied, possibly one more; version %s is marked dirty until the remaining statements are applied", statements(e.StatementsApplied, total), planner.VersionText(e.Version))
	}
	var run *migrator.RunError
	if !errors.As(err, &run) {
		return "no changes of this migration remain"
	}
	if run.RolledBack == 1 {
		return "no changes of this release remain (--tx-mode all): the migration before this one was rolled back with it"
	}
	if run.RolledBack > 1 {
		return fmt.Sprintf("no changes of this release remain (--tx-mode all): the %d migrations before this one were rolled back with it", run.RolledBack)
	}
	return "no changes of this migration remain; " + progress(run)
}

// commitUnanswered reports whether the server did not answer a transaction's COMMIT.
func commitUnanswered(e *migrationerror.Error) bool {
	return e.Outcome == migrationerror.Unknown && e.Server() == nil && e.Script != nil && e.Script.Transactional && e.FailedIndex == len(e.Script.Statements)
}

func migrationAdvice(err error, e *migrationerror.Error, stopped int) string {
	server := e.Server()
	if next := advice.LostConnection(err, e.File); next != "" && stopped == 0 {
		return next
	}
	switch {
	case e.OwnTable != "" && server != nil && e.Outcome == migrationerror.RolledBack:
		return fmt.Sprintf("exclude these tables by name in %s, for example: AND table_name NOT LIKE '%s%%'\nthen deploy again", e.File, strings.ReplaceAll(e.VersionTable, "_", `\_`))
	case e.RecordingFailed && server != nil && e.Reason.Cause == migrationerror.VersionTableDropped:
		return e.Reason.Fix + "; to keep the tables in a schema that no migration drops: --table shiplock." + e.VersionTable + "\nthen deploy again"
	case e.RecordingFailed && server != nil:
		return e.Reason.Fix + "\nthen deploy again"
	case e.Outcome != migrationerror.RolledBack && e.Server() == nil:
		if commitUnanswered(e) {
			return "run it again: the next run reads the version from the database and resumes from there"
		}
		return "run it again: the next run resumes after the last applied statement. Statements are counted in the transactions that apply them, so none runs twice;\n" +
			"for a statement that cannot be counted this way, the next run checks whether it took effect, or stops and asks you to resolve it with migrator repair"
	case e.Outcome == migrationerror.PartiallyApplied:
		return partiallyAppliedAdvice(e)
	case e.Outcome == migrationerror.Unknown:
		return "check whether the statement took effect; then run migrator repair --statement-applied or --statement-not-applied, and deploy again;\n" +
			"or roll back the migration's changes manually, then run: migrator repair --rolled-back"
	case stopped != 0 && len(e.Blockers) > 0:
		return "wait for the blocking session to finish, or terminate it: SELECT pg_terminate_backend(" + backendPID(&e.Blockers[0]) + "); then run it again"
	case stopped == report.ExitTimeout:
		return "raise --timeout if the statement needs more time (in the chart: timeout, and activeDeadlineSeconds above it), and run it again; the next run starts with this migration"
	case stopped != 0:
		return "run it again; the next run starts with this migration"
	case e.Server() == nil:
		if e.Reason.Cause == migrationerror.SessionEnded || e.Reason.Cause == migrationerror.SessionTerminated {
			return "run it again; the server log shows why the session was terminated"
		}
		if servermessage.IsStandbyRefused(e.Reason.ReconnectErr) {
			return "restore the primary or promote the standby, and run it again; the primary's log shows why it stopped"
		}
		return "run it again when the database is available; the server log shows why the connection was lost"
	}
	var run *migrator.RunError
	if errors.As(err, &run) && run.RolledBack > 0 {
		if server.Code == pqerror.UnsafeNewEnumValueUsage || server.Code == pqerror.ObjectInUse {
			return "deploy with --tx-mode file: the changes of an earlier migration must be committed before this one can use them"
		}
		then := fmt.Sprintf("then deploy again; the next run starts with the first of the %d migrations", run.RolledBack+1)
		if server.Code.Class() == pqerror.ClassIntegrityConstraintViolation && len(e.Reason.Causes) == 0 {
			return "correct the rows with a statement above this one in " + e.File + ", or in the migration that inserts them (they were rolled back with it); " + then
		}
		return cmp.Or(advice.Statement(e, then).String(), "correct "+e.File+"; "+then)
	}
	if e.Direction == "down" {
		return downAdvice(e)
	}
	return cmp.Or(advice.Statement(e, "then deploy again").String(), fmt.Sprintf("correct %s and deploy again; the next run starts with this migration", e.File))
}

// downAdvice returns the advice for a down script that was rolled back. A script stored in
// the history table cannot be corrected here.
func downAdvice(e *migrationerror.Error) string {
	a := advice.Statement(e, "then run the same command again")
	file, stored := source.FromHistory(e.File)
	switch {
	case !stored:
		return cmp.Or(a.String(), fmt.Sprintf("correct %s and run the same command again; it starts with this migration", e.File))
	case !a.IsZero() && !a.EditsFile:
		return a.String()
	}
	return fmt.Sprintf("run migrator down --to %d from an image that has the up file that was applied and a corrected %s (this down script is the stored one, from the history table)\n"+
		"or create the objects that the statement needs manually, and run the same command again; or keep the newer schema (--on-newer allow)", max(e.Version, 0), file)
}

// partiallyAppliedAdvice returns how to resume, and how to roll back. To roll back a down
// script is to apply its migration again.
func partiallyAppliedAdvice(e *migrationerror.Error) string {
	resume := fmt.Sprintf("then deploy again: the next run resumes with statement %d", e.StatementsApplied+1)
	rollBack := "\nor roll back its changes manually, then run: migrator repair --rolled-back"
	if e.Direction == "down" {
		resume = fmt.Sprintf("then run the same command again: it resumes with statement %d", e.StatementsApplied+1)
		rollBack = "\nor complete the rollback manually, then run: migrator repair --rolled-back; or reverse its changes manually, then run: migrator repair --applied"
	}
	if a := advice.Statement(e, resume); a.HasThen {
		return a.Text + rollBack
	} else if !a.IsZero() {
		return a.Text + ";\n" + resume + rollBack
	}
	if _, stored := source.FromHistory(e.File); stored { // it cannot be edited
		return "fix the cause of the server's error; " + resume + rollBack
	}
	return fmt.Sprintf("correct %s from statement %d onward (earlier statements are applied); %s", e.File, e.StatementsApplied+1, resume) + rollBack
}

// backendPID returns the process ID of a session for a call of pg_terminate_backend, or "pid" if it
// is unknown.
func backendPID(s *activity.SessionInfo) string {
	if s == nil || s.PID == 0 {
		return "pid"
	}
	return strconv.Itoa(s.PID)
}

// blockingSessions describes sessions, one per line.
func blockingSessions(sessions []activity.SessionInfo) string {
	var lines []string
	for _, s := range sessions {
		lines = append(lines, s.String())
	}
	return strings.Join(lines, "\n")
}

// endedByStop reports whether a statement failed only because the run was stopped, possibly
// while it waited for a lock.
func endedByStop(e *migrationerror.Error) bool {
	var lost *postgres.LostError
	if server := e.Server(); server != nil {
		return server.Code == pqerror.LockNotAvailable || server.Code == pqerror.QueryCanceled
	}
	return !errors.As(e.Err, &lost)
}

// stopReason returns why a run was stopped, without the statement that it was running.
func stopReason(err error) string {
	var timeout *interrupt.TimeoutError
	var signal *interrupt.SignalError
	switch {
	case errors.As(err, &timeout):
		return timeout.Error()
	case errors.As(err, &signal):
		return signal.Error()
	}
	return err.Error()
}

// causes returns the causes found by queries after the failure, and those that follow from
// the error alone.
func causes(e *migrationerror.Error) []string {
	why, server := reasonCauses(e.Reason), e.Server()
	if server == nil {
		return why
	}
	if server.Code == pqerror.SyntaxError {
		why = append(why, placeholder(e)...)
	}
	if st, known := e.Statement(); known {
		if hidden := invisible(st.Text); hidden != "" && server.Code == pqerror.SyntaxError {
			why = append(why, hidden)
		}
	} else if e.Script != nil && server.Code == pqerror.SyntaxError && invisible(e.Script.SQL) != "" {
		why = append(why, invisible(e.Script.SQL))
	}
	if server.Code == pqerror.DiskFull {
		why = append(why, "the disk of the database server is full: the volume with "+volumes[servermessage.FullVolume(server)])
	}
	return why
}

// reasonCauses returns the causes that the diagnosis found, as sentences.
func reasonCauses(r migrationerror.Reason) []string {
	switch r.Cause {
	case migrationerror.StatementCanceled:
		return []string{"the statement was canceled by pg_cancel_backend or an administration tool; neither --timeout nor --statement-timeout was exceeded"}
	case migrationerror.TimeoutOption:
		return []string{"--statement-timeout is " + r.Limit.String()}
	case migrationerror.SessionEnded:
		return []string{"the server is up and has not restarted, so only this session was ended: by an administrator (pg_terminate_backend), by a pooler or proxy, or by the network"}
	case migrationerror.SessionTerminated:
		return []string{"the server is up and has not restarted, so only this session was ended: by an administrator or a tool that calls pg_terminate_backend"}
	case migrationerror.DatabaseUnreachable:
		return []string{"the database could not be reached again: " + connectFailure(r.ReconnectErr)}
	}
	return r.Causes
}

// connectFailure returns the reason why a connection could not be established.
func connectFailure(err error) string {
	var connect *postgres.ConnectError
	if errors.As(err, &connect) {
		err = connect.Err
	}
	return err.Error()
}

// volumes describes what the full volume holds.
var volumes = map[servermessage.Volume]string{
	servermessage.DataVolume:           "the data directory",
	servermessage.WALVolume:            "the write-ahead log",
	servermessage.TemporaryFilesVolume: "temporary files (sorts that do not fit into memory)",
	servermessage.TablespaceVolume:     "a tablespace",
}

// addInternalQuery adds the statement inside a function that failed; psql names it QUERY.
func addInternalQuery(c *report.Report, e *migrationerror.Error) {
	server := e.Server()
	if server == nil || server.InternalQuery == "" {
		return
	}
	if st, known := e.Statement(); known && strings.Contains(st.Text, server.InternalQuery) {
		return
	}
	at := -1
	if n, err := strconv.Atoi(server.InternalPosition); err == nil && n > 0 {
		if query := []rune(server.InternalQuery); n <= len(query) {
			at = len(string(query[:n-1]))
		}
	}
	c.AddSQL("query", server.InternalQuery, at)
}

// leftovers returns the objects that a failed statement left, and the SQL that removes them.
func leftovers(e *migrationerror.Error) (what, sql string) {
	var names, statements []string
	for _, l := range e.Leftovers {
		names, statements = append(names, l.What), append(statements, l.SQL+";")
	}
	return strings.Join(names, ", "), strings.Join(statements, "\n")
}
