package report

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/lib/pq/pqerror"

	"github.com/shiplock/shiplock/internal/engine"
	"github.com/shiplock/shiplock/internal/postgres"
	"github.com/shiplock/shiplock/internal/source"
)

func migrationReport(err error, e *postgres.MigrationError) Report {
	c := Report{Code: ExitFailed, Title: fmt.Sprintf("migration %s failed; the database is as it was, %s", e.File, atVersion(e.Before))}
	stopped := stopCode(err)
	if stopped != 0 {
		c.Title = fmt.Sprintf("migration %s was not completed (%s); the database is as it was, %s", e.File, stopReason(e.Err), atVersion(e.Before))
	}
	var lost *postgres.LostError
	if stopped == 0 && errors.As(e.Err, &lost) {
		c.Title = fmt.Sprintf("migration %s was cut short, as the connection was lost; the database is as it was, %s", e.File, atVersion(e.Before))
		if endedByTimeoutSetting(lost.Server) {
			c.Title = fmt.Sprintf("migration %s failed; the database is as it was, %s", e.File, atVersion(e.Before))
		} else if lost.Server != nil {
			c.Title = fmt.Sprintf("migration %s was cut short, as the server ended the session; the database is as it was, %s", e.File, atVersion(e.Before))
		}
	}
	if e.RecordingFailed {
		c.Title = fmt.Sprintf("migration %s ran and was rolled back, because its version could not be recorded; the database is %s", e.File, atVersion(e.Before))
		if e.Outcome == postgres.RolledBack && !e.Script.Transactional && e.FailedIndex < 0 {
			c.Title = fmt.Sprintf("migration %s was not begun, because its version could not be recorded; the database is %s", e.File, atVersion(e.Before))
		}
	}
	switch e.Outcome {
	case postgres.PartiallyApplied:
		c.Code = ExitPartiallyApplied
		c.Title = fmt.Sprintf("migration %s stopped part-way: %s in effect", e.File, statements(e.StatementsApplied, len(e.Script.Statements)))
		if e.StatementsApplied == 0 && len(e.Leftovers) > 0 {
			what, _ := leftovers(e)
			c.Title = fmt.Sprintf("migration %s failed and left an object in the database: %s", e.File, what)
		}
	case postgres.Unknown:
		c.Code = ExitPartiallyApplied
		c.Title = fmt.Sprintf("migration %s broke off, and whether its last statement is in effect is not known", e.File)
		if commitUnanswered(e) {
			c.Title = fmt.Sprintf("migration %s broke off while it was committing, and whether it is in effect is not known", e.File)
		}
	}
	if stopped != 0 {
		c.Code = stopped
	} else if end := sessionEnd(e.Err); e.Server() == nil && !endedByTimeoutSetting(end) {
		c.Code = lostConnectionCode(err) // what is in effect is journaled, and the next run looks at the rest
	}
	c.addPosition(e)
	if stopped == 0 || !endedByStop(e) { // else the title has said it
		c.addServer(e.Err)
	}
	c.addInternalQuery(e)
	why := causes(e)
	if e.OwnTable != "" {
		why = []string{fmt.Sprintf("the statement goes over all tables and reached %s, which Shiplock or golang-migrate keeps", e.OwnTable)}
	}
	c.add("why", strings.Join(why, "\n"))
	c.add("blocked by", strings.Join(e.Blockers, "\n"))
	c.add("state", migrationState(err, e))
	if what, sql := leftovers(e); what != "" {
		c.add("left", what+"\nthe next run removes or completes it; to do so now: "+sql)
	}
	c.add("next", migrationAdvice(err, e, stopped))
	return c
}

func (c *Report) addPosition(e *postgres.MigrationError) {
	place := fmt.Sprintf("%s (%s)", e.File, e.Step)
	if line, column := e.Position(); line > 0 {
		place = fmt.Sprintf("%s, line %d, column %d (%s)", e.File, line, column, e.Step)
	}
	c.add("migration", place)
	st, known := e.Statement()
	switch {
	case e.RecordingFailed && (!known || e.Script.Transactional):
	case known:
		c.addSQL("statement", st.Text, offsetInStatement(st, e.Offset))
	case e.Script != nil && e.Script.Transactional && e.FailedIndex >= len(e.Script.Statements) && e.FailedIndex >= 0 && e.Server() != nil:
		c.addVerbatim("statement", "COMMIT (what was deferred to the end of the transaction was checked then)")
	case e.Script != nil && e.Offset >= 0:
		c.addSQL("statement", e.Script.SQL, e.Offset)
	}
}

// offsetInStatement is a place of a file as one of a statement; -1 where it is none.
func offsetInStatement(st postgres.Statement, offset int) int {
	if at := offset - st.Offset; offset >= 0 && at >= 0 && at <= len(st.Text) {
		return at
	}
	return -1
}

func migrationState(err error, e *postgres.MigrationError) string {
	total := 0
	if e.Script != nil {
		total = e.Script.Count()
	}
	switch e.Outcome {
	case postgres.PartiallyApplied:
		return fmt.Sprintf("%s in effect, and none after them; version %s is marked dirty until the rest is done",
			statements(e.StatementsApplied, total), versionText(e.Version))
	case postgres.Unknown:
		if commitUnanswered(e) {
			return "all of this migration is in effect or nothing of it; migrator status says which"
		}
		return fmt.Sprintf("%s in effect, and perhaps the next one; version %s is marked dirty until the rest is done", statements(e.StatementsApplied, total), versionText(e.Version))
	}
	var run *engine.RunError
	if !errors.As(err, &run) {
		return "nothing of this migration was kept"
	}
	if run.RolledBack == 1 {
		return "nothing of this release was kept (--tx-mode all): the migration before this one ran and was rolled back with it"
	}
	if run.RolledBack > 1 {
		return fmt.Sprintf("nothing of this release was kept (--tx-mode all): the %d migrations before this one ran and were rolled back with it", run.RolledBack)
	}
	return "nothing of this migration was kept; " + progress(run)
}

// statements counts those in effect, up to the verb.
func statements(done, of int) string {
	if done == 1 {
		return fmt.Sprintf("1 of %d statements is", of)
	}
	return fmt.Sprintf("%d of %d statements are", done, of)
}

// commitUnanswered says that the server did not answer to a transaction's COMMIT.
func commitUnanswered(e *postgres.MigrationError) bool {
	return e.Outcome == postgres.Unknown && e.Server() == nil && e.Script != nil && e.Script.Transactional && e.FailedIndex == len(e.Script.Statements)
}

func migrationAdvice(err error, e *postgres.MigrationError, stopped int) string {
	server := e.Server()
	if advice := lostConnectionAdvice(err, e.File); advice != "" && stopped == 0 {
		return advice
	}
	switch {
	case e.OwnTable != "" && server != nil && e.Outcome == postgres.RolledBack:
		table := strings.TrimSuffix(strings.TrimSuffix(e.OwnTable, "_history"), "_exec")
		return fmt.Sprintf("exclude these tables by name in %s, such as: AND table_name NOT LIKE '%s%%'\nthen deploy again", e.File, strings.ReplaceAll(table, "_", `\_`))
	case e.RecordingFailed && server != nil:
		return e.Reason.Fix + "\nthen deploy again"
	case e.Outcome != postgres.RolledBack && e.Server() == nil:
		if commitUnanswered(e) {
			return "run it again: it reads the version, and goes on from there"
		}
		return "run it again and it goes on from there: what a statement does is counted together with it, so none runs twice;\n" +
			"of one that cannot be counted so, the next run looks at what it has left, or refuses and asks"
	case e.Outcome == postgres.PartiallyApplied:
		return partiallyAppliedAdvice(e)
	case e.Outcome == postgres.Unknown:
		return "look at what the statement has left; then: migrator repair --statement-applied or --statement-not-applied, and deploy again;\n" +
			"or undo by hand what the migration did, then: migrator repair --rolled-back"
	case stopped != 0 && len(e.Blockers) > 0:
		return "wait until who is in the way is done, or end it: SELECT pg_terminate_backend(" + pidIn(e.Blockers[0]) + "); then run it again"
	case stopped == ExitTimeout:
		return "raise --timeout if the statement needs longer (in the chart: timeout, and activeDeadlineSeconds above it), and run it again; it starts with this migration"
	case stopped != 0:
		return "run it again; it starts with this migration"
	case e.Server() == nil:
		if len(e.Reason.Causes) > 0 && strings.HasPrefix(e.Reason.Causes[0], "the server is up") {
			return "run it again; the server's log says why the session was ended"
		}
		if strings.Contains(strings.Join(e.Reason.Causes, " "), "hot standby") {
			return "bring the primary back or promote the standby, and run it again; the primary's log says why it went"
		}
		return "run it again when the database is back; its log says why it went"
	}
	var run *engine.RunError
	if errors.As(err, &run) && run.RolledBack > 0 {
		if server.Code == pqerror.UnsafeNewEnumValueUsage || server.Code == pqerror.ObjectInUse {
			return "deploy with --tx-mode file: what an earlier migration did has to be committed before this one can use it"
		}
		then := fmt.Sprintf("then deploy again; it starts with the first of the %d", run.RolledBack+1)
		if server.Code.Class() == pqerror.ClassIntegrityConstraintViolation && len(e.Reason.Causes) == 0 {
			return "correct the rows by a statement above this one in " + e.File + ", or in the migration that makes them (they were rolled back with it); " + then
		}
		return cmp.Or(statementAdvice(e, then), "correct "+e.File+"; "+then)
	}
	if strings.HasSuffix(e.Step, "down") {
		return downAdvice(e)
	}
	return cmp.Or(statementAdvice(e, "then deploy again"), fmt.Sprintf("correct %s and deploy again; it starts with this migration", e.File))
}

// downAdvice is for a down that left nothing. What is the journal's is no file that
// could be corrected here.
func downAdvice(e *postgres.MigrationError) string {
	advice := statementAdvice(e, "then run the same again")
	file, remembered := strings.CutPrefix(e.File, source.FromHistory)
	switch {
	case !remembered:
		return cmp.Or(advice, fmt.Sprintf("correct %s and run the same again; it starts with this migration", e.File))
	case advice != "" && !strings.Contains(advice, e.File):
		return advice
	}
	return fmt.Sprintf("this is what was deployed, out of the journal: go down with an image that has %s corrected, beside the up file that ran (migrator down --to %d)\n"+
		"or make by hand what the statement needs, and run the same again; or keep the newer schema (--on-newer allow)", file, max(e.Version, 0))
}

var pidPattern = regexp.MustCompile(`pid (\d+)`)

// partiallyAppliedAdvice says how to go on, and how to go back. A down is undone by what makes
// its migration whole again.
func partiallyAppliedAdvice(e *postgres.MigrationError) string {
	goOn := fmt.Sprintf("then deploy again: it goes on with statement %d", e.StatementsApplied+1)
	back := "\nor undo by hand what it did, then: migrator repair --rolled-back"
	if strings.HasSuffix(e.Step, "down") {
		goOn = fmt.Sprintf("then run the same down again: it goes on with statement %d", e.StatementsApplied+1)
		back = "\nor finish it by hand, then: migrator repair --rolled-back; or undo by hand what it did, then: migrator repair --applied"
	}
	if advice := statementAdvice(e, goOn); strings.Contains(advice, goOn) {
		return advice + back
	} else if advice != "" {
		return strings.TrimSuffix(advice, ", and deploy again") + ";\n" + goOn + back
	}
	if strings.HasPrefix(e.File, source.FromHistory) { // it cannot be edited
		return "mend what the server complains of; " + goOn + back
	}
	return fmt.Sprintf("correct %s from statement %d on (what is before it has run); %s", e.File, e.StatementsApplied+1, goOn) + back
}

// pidIn is the number of the session that a text describes.
func pidIn(session string) string {
	if m := pidPattern.FindStringSubmatch(session); m != nil {
		return m[1]
	}
	return "pid"
}

// endedByStop says that a run's end alone, or a lock timeout that it met on the way, is
// what a statement ended with.
func endedByStop(e *postgres.MigrationError) bool {
	var lost *postgres.LostError
	if server := e.Server(); server != nil {
		return server.Code == pqerror.LockNotAvailable || server.Code == pqerror.QueryCanceled
	}
	return !errors.As(e.Err, &lost)
}

// stopReason is why a run was stopped, without what it was at.
func stopReason(err error) string {
	var timeout *engine.TimeoutError
	var signal *engine.SignalError
	switch {
	case errors.As(err, &timeout):
		return timeout.Error()
	case errors.As(err, &signal):
		return signal.Error()
	}
	return err.Error()
}

// reasons are what the server was asked afterwards, and what its words alone tell.
func causes(e *postgres.MigrationError) []string {
	why, server := e.Reason.Causes, e.Server()
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
		why = append(why, "the disk of the database server is full: "+fullVolume(server.Message))
	}
	return why
}

// fullVolume tells by a file's name what the disk is for (manual, "Database File Layout").
func fullVolume(message string) string {
	switch {
	case strings.Contains(message, "pg_wal"):
		return "the one with the write-ahead log"
	case strings.Contains(message, "pgsql_tmp"):
		return "the one with temporary files, for sorts that do not fit into memory"
	case strings.Contains(message, "pg_tblspc"):
		return "the one of a tablespace"
	}
	return "the one with the data"
}

// addInternalQuery shows the statement inside of a function that failed.
func (c *Report) addInternalQuery(e *postgres.MigrationError) {
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
	c.addSQL("within", server.InternalQuery, at)
}
