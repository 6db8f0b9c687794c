package report

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"

	"github.com/shiplock/shiplock/internal/postgres"
)

// statementAdvice is the next step for what PostgreSQL said of a statement; "" where there is
// nothing better than to correct the file. then is what to do after it.
func statementAdvice(e *postgres.MigrationError, then string) string {
	server, r := e.Server(), e.Reason
	mend := func(what string) string { return what + "; " + then }
	in := "in " + e.File
	switch server.Code {
	case pqerror.ActiveSQLTransaction, pqerror.InvalidTransactionTermination:
		if e.Script != nil && e.Script.Autocommit { // it is sent by itself already
			return mend("move the statement out of its BEGIN and COMMIT, its function or its DO block " + in + ": it cannot run inside a transaction")
		}
		return fmt.Sprintf("put a line `-- shiplock:no-transaction` at the top of %s: this statement cannot run inside a transaction", e.File)
	case pqerror.UniqueViolation, pqerror.CheckViolation, pqerror.ForeignKeyViolation, pqerror.NotNullViolation, pqerror.ExclusionViolation:
		if r.Query != "" {
			return mend(rowAdvice(e, server)) + "\nto see the rows: " + r.Query
		}
		return mend(rowAdvice(e, server))
	case pqerror.InsufficientPrivilege:
		if strings.HasPrefix(r.Fix, "CREATE EXTENSION") { // the statement would find what the superuser has made
			return fmt.Sprintf("let %s run: %s\nwrite IF NOT EXISTS in %s, too; %s", r.FixRole, r.Fix, e.File, then)
		}
		if r.Fix != "" {
			return fmt.Sprintf("let %s run: %s\n%s; the file can stay as it is", cmp.Or(r.FixRole, "a superuser"), r.Fix, then)
		}
		return "let the owner of the object, or a superuser, grant what is missing to the role that migrates, and deploy again"
	case pqerror.UndefinedTable:
		switch {
		case r.LaterFile != "":
			return mend("rename " + e.File + " and its down file to a version above that of " + r.LaterFile + ", or move the statement into " + r.LaterFile)
		case r.Fix != "":
			return mend("write " + r.Fix + " " + in)
		}
		return mend("correct the name " + in + ", or add the migration that makes it with a lower version")
	case pqerror.DuplicateTable, pqerror.DuplicateColumn, pqerror.DuplicateObject, pqerror.DuplicateSchema, pqerror.DuplicateFunction:
		if r.External {
			return mend("if it is what the statement would make, write IF NOT EXISTS " + in + "; if it is not, rename or drop it first")
		}
		if server.Code == pqerror.DuplicateColumn {
			return mend("take this column out of the statement " + in + ", or give it another name")
		}
		return mend("take the statement out of " + e.File + ", or give what it makes another name")
	case pqerror.InvalidSchemaName:
		return mend("put CREATE SCHEMA IF NOT EXISTS" + quotedName(server.Message) + "; above the statement, or correct the name " + in)
	case pqerror.UndefinedObject:
		if strings.HasPrefix(server.Message, "role ") {
			return mend("let an administrator run: CREATE ROLE" + quotedName(server.Message) + " NOLOGIN; or correct the name " + in)
		}
		return mend("create what is missing first, or correct the name " + in)
	case pqerror.UndefinedColumn, pqerror.UndefinedFunction, pqerror.SyntaxError:
		return ""
	case pqerror.DatatypeMismatch:
		if using := usingClause.FindString(server.Hint); using != "" {
			return mend(fmt.Sprintf("add `%s` to the statement %s, if every value can be read that way", using, in))
		}
	case pqerror.InvalidTextRepresentation, pqerror.StringDataRightTruncation, pqerror.NumericValueOutOfRange:
		if !changesExistingRows(e) {
			return ""
		}
		return mend("correct the values that do not fit with an UPDATE above the statement " + in + ", or choose a type that takes them")
	case pqerror.RaiseException:
		return mend("the migration stopped itself by RAISE: see to what it asks for, or change that " + in)
	case pqerror.DependentObjectsStillExist:
		return mend("drop or change what depends on it (listed above) earlier " + in + "; CASCADE drops all of it, unseen")
	case pqerror.UndefinedFile:
		if server.Routine == "parse_extension_control_file" { // PostgreSQL 14
			return installExtension
		}
	case pqerror.FeatureNotSupported:
		return unsupportedAdvice(e, server, mend)
	case pqerror.UnsafeNewEnumValueUsage:
		return mend("move the statements that use the new value from " + e.File + " to a migration of their own with a higher version")
	case pqerror.DiskFull:
		return "free space on the database server or enlarge its volume, and deploy again; the file can stay as it is"
	case pqerror.ConfigurationLimitExceeded:
		return "let a superuser raise temp_file_limit (or work_mem, so that less spills to disk) for the role that migrates, and deploy again; or have the statement sort less at a time"
	case pqerror.OutOfMemory:
		for _, setting := range []string{"max_locks_per_transaction", "max_pred_locks_per_transaction"} {
			if strings.Contains(server.Hint, setting) { // the name is the same in each language
				return "raise " + setting + " and restart the database server (a managed service has it as a parameter), or have the migration use fewer tables and partitions in one transaction; " + then
			}
		}
		return "give the database server more memory or lower work_mem, and deploy again"
	case pqerror.ReadOnlySQLTransaction:
		if r.Fix != "" {
			return "make the database writable again: " + r.Fix + "\nthen deploy again; the file can stay as it is"
		}
		return "connect to a server that can be written to (target_session_attrs=read-write finds the primary), and deploy again"
	case pqerror.QueryCanceled:
		return canceledAdvice(e, server)
	case pqerror.TRDeadlockDetected:
		return "deploy again: most likely it runs; if it comes again, take the locks first " + in + ", in the order in which the application takes them (LOCK TABLE)"
	case pqerror.LockNotAvailable:
		if server.Routine == "exec_stmt_raise" {
			return mend("the migration raises this error itself: resolve what it reports, or change that " + in)
		}
		return "wait until who is in the way is done, or end it: SELECT pg_terminate_backend(PID); then deploy again"
	case pqerror.ObjectInUse:
		return mend("close what uses it, or move the statement to a migration of its own")
	}
	return ""
}

// quotedName is the name that a message quotes, for SQL, after a space.
func quotedName(message string) string {
	if m := quoted.FindStringSubmatch(message); m != nil {
		return " " + pq.QuoteIdentifier(m[1])
	}
	return ""
}

// changesExistingRows says that it is the rows there were which do not fit, and not new ones.
func changesExistingRows(e *postgres.MigrationError) bool {
	st, _ := e.Statement()
	word := strings.ToUpper(strings.Join(strings.Fields(Clip(st.Text, maxLine)), " "))
	return strings.HasPrefix(word, "ALTER ") || strings.HasPrefix(word, "CREATE ")
}

var usingClause = regexp.MustCompile(`USING [^".]+`)

func rowAdvice(e *postgres.MigrationError, server *pq.Error) string {
	switch {
	case !changesExistingRows(e) && server.Code == pqerror.UniqueViolation:
		return "leave the row that is there already out of " + e.File + ", or add ON CONFLICT to its INSERT"
	case !changesExistingRows(e) && server.Code == pqerror.NotNullViolation:
		return fmt.Sprintf("give %s a value in the statement in %s", server.Column, e.File)
	case !changesExistingRows(e):
		return "correct the values that the statement in " + e.File + " writes"
	case server.Code == pqerror.NotNullViolation && strings.Contains(strings.Join(e.Reason.Causes, " "), "the new column"):
		return "give the new column a DEFAULT, or add it without NOT NULL, fill it by an UPDATE, and SET NOT NULL last"
	case server.Code == pqerror.NotNullViolation:
		return fmt.Sprintf("give those rows a value for %s, by an UPDATE above the statement in %s or by hand", server.Column, e.File)
	}
	if e.Outcome == postgres.PartiallyApplied {
		return "correct the rows by hand, or by a statement put right above this one in " + e.File + " (what is before it has run and must stay)"
	}
	return "correct the rows, by statements above this one in " + e.File + " or by hand"
}

const installExtension = "install the extension's package on the database server (a managed service lists those it allows), and deploy again; the file can stay as it is"

// unsupportedAdvice knows two of the many meanings of 0A000.
func unsupportedAdvice(e *postgres.MigrationError, server *pq.Error, mend func(string) string) string {
	switch {
	case server.Routine == "ATExecAlterColumnType" || strings.Contains(server.Detail, "depends on column"):
		return mend("drop the view above the statement in " + e.File + ", and create it again below")
	case strings.Contains(server.Message, "extension"):
		return installExtension
	}
	return ""
}

func canceledAdvice(e *postgres.MigrationError, server *pq.Error) string {
	switch {
	case !strings.Contains(server.Message, "statement timeout"):
		return "ask who cancelled it (the server's log has the time), and deploy again; the file can stay as it is"
	case e.Reason.Fix == "--statement-timeout":
		return "give it more time with --statement-timeout (SHIPLOCK_STATEMENT_TIMEOUT, in the chart by extraEnv), or have the statement do less at a time, and deploy again"
	case strings.HasPrefix(e.Reason.Fix, "SET "):
		return "raise or remove " + strings.TrimPrefix(e.Reason.Fix, "SET ") + " in " + e.File + ", or have the statement do less at a time, and deploy again"
	case e.Reason.Fix != "":
		return "give it more time with --statement-timeout, which beats the server's setting (or: " + e.Reason.Fix + "), and deploy again"
	}
	return "give it more time with --statement-timeout, or have the statement do less at a time, and deploy again"
}
