package report

import (
	"errors"
	"fmt"
	"strings"

	"github.com/lib/pq/pqerror"

	"github.com/shiplock/shiplock/internal/engine"
	"github.com/shiplock/shiplock/internal/postgres"
)

func migrationCard(err error, e *postgres.MigrationError) Card {
	c := Card{Code: ExitFailed, Title: fmt.Sprintf("migration %s failed; the database is as it was, %s", e.File, at(e.Before))}
	stopped := stopCode(err)
	if stopped != 0 {
		c.Title = fmt.Sprintf("migration %s was not completed (%s); the database is as it was, %s", e.File, e.Err, at(e.Before))
	}
	switch e.Outcome {
	case postgres.PartWay:
		c.Code = ExitPartWay
		c.Title = fmt.Sprintf("migration %s stopped part-way: %d of %d statements are in effect", e.File, e.Done, len(e.Script.Statements))
	case postgres.Unknown:
		c.Code = ExitPartWay
		c.Title = fmt.Sprintf("migration %s broke off, and whether its last statement is in effect is not known", e.File)
		if unanswered(e) {
			c.Title = fmt.Sprintf("migration %s broke off while it was committed, and whether it is in effect is not known", e.File)
		}
	}
	if stopped != 0 {
		c.Code = stopped
	} else if e.Server() == nil {
		c.Code = ExitDatabase // what is in effect is journaled, and the next run looks at the rest
	}
	c.addPlace(e)
	c.addServer(e.Err)
	c.add("blocked by", strings.Join(e.Blockers, "\n"))
	c.add("state", migrationState(err, e))
	c.add("next", migrationAdvice(err, e, stopped))
	return c
}

func (c *Card) addPlace(e *postgres.MigrationError) {
	place := fmt.Sprintf("%s (%s)", e.File, e.Step)
	if line, column := e.Position(); line > 0 {
		place = fmt.Sprintf("%s, line %d, column %d (%s)", e.File, line, column, e.Step)
	}
	c.add("migration", place)
	st, known := e.Statement()
	switch {
	case known:
		c.addSQL("statement", st.Text, within(st, e.Offset))
	case e.Script != nil && e.Script.Transactional && e.Failed >= len(e.Script.Statements) && e.Failed >= 0 && e.Server() != nil:
		c.addVerbatim("statement", "COMMIT (what was deferred to the end of the transaction was checked then)")
	case e.Script != nil && e.Offset >= 0:
		c.addSQL("statement", e.Script.SQL, e.Offset)
	}
}

// within is a place of a file as one of a statement; -1 where it is none.
func within(st postgres.Statement, offset int) int {
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
	case postgres.PartWay:
		return fmt.Sprintf("%d of %d statements are in effect, and none after them; version %s is marked dirty until the rest is done",
			e.Done, total, version(e.Version))
	case postgres.Unknown:
		if unanswered(e) {
			return "all of this migration is in effect or nothing of it, and the version says which"
		}
		return fmt.Sprintf("%d of %d statements are in effect, and perhaps the next one; version %s is marked dirty until the rest is done", e.Done, total, version(e.Version))
	}
	var run *engine.RunError
	if !errors.As(err, &run) {
		return "nothing of this migration was kept"
	}
	if run.Undone > 0 {
		return fmt.Sprintf("nothing of this release was kept (--atomicity release): the %d migrations before this one ran and were rolled back with it", run.Undone)
	}
	return "nothing of this migration was kept; " + progress(run)
}

// unanswered says that the server did not answer to a transaction's COMMIT.
func unanswered(e *postgres.MigrationError) bool {
	return e.Outcome == postgres.Unknown && e.Server() == nil && e.Script != nil && e.Script.Transactional && e.Failed == len(e.Script.Statements)
}

func migrationAdvice(err error, e *postgres.MigrationError, stopped int) string {
	server := e.Server()
	if server != nil && (server.Code == pqerror.ActiveSQLTransaction || server.Code == pqerror.InvalidTransactionTermination) {
		return fmt.Sprintf("put a line `-- shiplock:no-transaction` at the top of %s: this statement cannot run inside a transaction", e.File)
	}
	switch {
	case e.Outcome != postgres.RolledBack && e.Server() == nil:
		return "run it again: it looks at what is in effect and goes on from there"
	case e.Outcome == postgres.PartWay:
		return fmt.Sprintf("correct %s from statement %d on (what is before it has run) and deploy again: it goes on there;\n"+
			"or undo by hand what it did, then: migrator repair --reverted", e.File, e.Done+1)
	case e.Outcome == postgres.Unknown:
		return "look at what the statement has left; then: migrator repair --statement-done or --statement-undone, and deploy again;\n" +
			"or undo by hand what the migration did, then: migrator repair --reverted"
	case stopped != 0:
		return "run it again; what is done stays done, and it goes on from there"
	case e.Server() == nil:
		return "run it again when the database is back; its log says why it went"
	}
	var run *engine.RunError
	if errors.As(err, &run) && run.Undone > 0 {
		if server.Code == pqerror.UnsafeNewEnumValueUsage || server.Code == pqerror.ObjectInUse {
			return "deploy with --atomicity migration: what an earlier migration did has to be committed before this one can use it"
		}
		return fmt.Sprintf("correct %s and deploy again; it starts with the first of them", e.File)
	}
	return fmt.Sprintf("correct %s and deploy again; it starts with this migration", e.File)
}
