package report

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"

	"github.com/shiplock/shiplock/internal/postgres"
	"github.com/shiplock/shiplock/internal/text"
)

// statementAdvice returns the next step for a statement's error, followed by then. It
// returns "" where the only advice is to correct the file.
func statementAdvice(e *postgres.MigrationError, then string) string {
	server, r := e.Server(), e.Reason
	step := func(what string) string { return what + "; " + then }
	in := "in " + e.File
	switch server.Code {
	case pqerror.ActiveSQLTransaction, pqerror.InvalidTransactionTermination:
		if e.Script != nil && e.Script.Autocommit { // it is already sent on its own
			return step("move the statement out of BEGIN and COMMIT, the function or the DO block " + in + ": it cannot run inside a transaction")
		}
		return fmt.Sprintf("add the line `-- shiplock:no-transaction` at the top of %s: this statement cannot run inside a transaction", e.File)
	case pqerror.UniqueViolation, pqerror.CheckViolation, pqerror.ForeignKeyViolation, pqerror.NotNullViolation, pqerror.ExclusionViolation:
		if r.Query != "" {
			return step(rowAdvice(e, server)) + "\nto list the rows: " + r.Query
		}
		return step(rowAdvice(e, server))
	case pqerror.InsufficientPrivilege:
		if r.Cause == postgres.ExtensionDenied { // the statement would find the superuser's extension
			return fmt.Sprintf("run as %s: %s\nadd IF NOT EXISTS in %s; %s", r.FixRole, r.Fix, e.File, then)
		}
		if r.Fix != "" {
			return fmt.Sprintf("run as %s: %s\n%s; the file needs no change", cmp.Or(r.FixRole, "a superuser"), r.Fix, then)
		}
		return "grant the missing privilege to the role that runs the migrations, as the owner of the object or a superuser, and deploy again"
	case pqerror.UndefinedTable:
		switch {
		case r.LaterFile != "":
			return step("rename " + e.File + " and its down file to a version above that of " + r.LaterFile + ", or move the statement into " + r.LaterFile)
		case r.Fix != "":
			return step("change the name to " + r.Fix + " " + in)
		}
		return step("correct the name " + in + ", or add a migration with a lower version that creates it")
	case pqerror.DuplicateTable, pqerror.DuplicateColumn, pqerror.DuplicateObject, pqerror.DuplicateSchema, pqerror.DuplicateFunction:
		if r.External {
			return step("add IF NOT EXISTS " + in + " if the existing object is the one that the statement creates; otherwise rename or drop the existing object")
		}
		if server.Code == pqerror.DuplicateColumn {
			return step("remove this column from the statement " + in + ", or rename it")
		}
		return step("remove the statement from " + e.File + ", or rename the object that it creates")
	case pqerror.InvalidSchemaName:
		return step("add CREATE SCHEMA IF NOT EXISTS" + quotedName(server) + "; above the statement, or correct the name " + in)
	case pqerror.UndefinedObject:
		if postgres.IsRoleMissing(server) {
			return step("run as an administrator: CREATE ROLE" + quotedName(server) + " NOLOGIN; or correct the name " + in)
		}
		return step("create the missing object first, or correct the name " + in)
	case pqerror.UndefinedColumn, pqerror.UndefinedFunction, pqerror.SyntaxError:
		return ""
	case pqerror.DatatypeMismatch:
		if using := postgres.SuggestedUsing(server); using != "" {
			return step(fmt.Sprintf("add `%s` to the statement %s, if every value can be converted", using, in))
		}
	case pqerror.InvalidTextRepresentation, pqerror.StringDataRightTruncation, pqerror.NumericValueOutOfRange:
		if !changesExistingRows(e) {
			return ""
		}
		return step("correct the values that do not fit with an UPDATE above the statement " + in + ", or choose a type that accepts them")
	case pqerror.RaiseException:
		return step("the migration raised an exception: resolve the reported condition, or change the check " + in)
	case pqerror.DependentObjectsStillExist:
		return step("drop or change the dependent objects (listed above) earlier " + in + "; CASCADE drops all of them, including unlisted ones")
	case pqerror.UndefinedFile:
		if server.Routine == "parse_extension_control_file" { // PostgreSQL 14
			return installExtension
		}
	case pqerror.FeatureNotSupported:
		return unsupportedAdvice(e, server, step)
	case pqerror.UnsafeNewEnumValueUsage:
		return step("move the statements that use the new value from " + e.File + " to a separate migration with a higher version")
	case pqerror.DiskFull:
		return "free space on the database server or enlarge its volume, and deploy again; the file needs no change"
	case pqerror.ConfigurationLimitExceeded:
		return "raise temp_file_limit (or work_mem, so that less spills to disk) for the role that runs the migrations, as a superuser, and deploy again; or change the statement to sort less data at a time"
	case pqerror.OutOfMemory:
		if setting := postgres.ExhaustedLockTable(server); setting != "" {
			return "raise " + setting + " and restart the database server (on a managed service, set the parameter), or change the migration to use fewer tables and partitions in one transaction; " + then
		}
		return "add memory to the database server or lower work_mem, and deploy again"
	case pqerror.ReadOnlySQLTransaction:
		if r.Fix != "" {
			return "make the database writable again: " + r.Fix + "\nthen deploy again; the file needs no change"
		}
		return "connect to a server that accepts writes (target_session_attrs=read-write selects the primary), and deploy again"
	case pqerror.QueryCanceled:
		return canceledAdvice(e, server)
	case pqerror.TRDeadlockDetected:
		return "deploy again: the migration most likely succeeds; if the deadlock recurs, acquire the locks first " + in + ", in the order in which the application acquires them (LOCK TABLE)"
	case pqerror.LockNotAvailable:
		if server.Routine == "exec_stmt_raise" {
			return step("the migration raised an exception: resolve the reported condition, or change the check " + in)
		}
		return "wait for the blocking session to finish, or terminate it: SELECT pg_terminate_backend(PID); then deploy again"
	case pqerror.ObjectInUse:
		return step("close the cursor or query that uses the object, or move the statement to a separate migration")
	}
	return ""
}

// quotedName returns the name that a message quotes, as an SQL identifier after a space.
func quotedName(e *pq.Error) string {
	if name := postgres.QuotedName(e); name != "" {
		return " " + pq.QuoteIdentifier(name)
	}
	return ""
}

// changesExistingRows reports whether the failed statement checks rows that existed before
// it, rather than writing new ones.
func changesExistingRows(e *postgres.MigrationError) bool {
	st, _ := e.Statement()
	word := strings.ToUpper(strings.Join(strings.Fields(text.Clip(st.Text, maxLine)), " "))
	return strings.HasPrefix(word, "ALTER ") || strings.HasPrefix(word, "CREATE ")
}

func rowAdvice(e *postgres.MigrationError, server *pq.Error) string {
	switch {
	case !changesExistingRows(e) && server.Code == pqerror.UniqueViolation:
		return "remove the row that already exists from the INSERT in " + e.File + ", or add ON CONFLICT"
	case !changesExistingRows(e) && server.Code == pqerror.NotNullViolation:
		return fmt.Sprintf("set a value for %s in the statement in %s", server.Column, e.File)
	case !changesExistingRows(e):
		return "correct the values that the statement in " + e.File + " writes"
	case server.Code == pqerror.NotNullViolation && e.Reason.Cause == postgres.NewColumnNotNull:
		return "give the new column a DEFAULT, or add it without NOT NULL, fill it with an UPDATE, then SET NOT NULL"
	case server.Code == pqerror.NotNullViolation:
		return fmt.Sprintf("set a value for %s in these rows, with an UPDATE above the statement in %s or manually", server.Column, e.File)
	}
	if e.Outcome == postgres.PartiallyApplied {
		return "correct the rows manually, or with a statement directly above this one in " + e.File + " (earlier statements are applied and must stay)"
	}
	return "correct the rows, with statements above this one in " + e.File + " or manually"
}

const installExtension = "install the extension's package on the database server (managed services list the extensions they allow), and deploy again; the file needs no change"

// unsupportedAdvice returns the advice for two of the many causes of SQLSTATE 0A000.
func unsupportedAdvice(e *postgres.MigrationError, server *pq.Error, step func(string) string) string {
	switch {
	case postgres.IsColumnOfView(server):
		return step("drop the view above the statement in " + e.File + ", and create it again below")
	case postgres.IsExtensionUnavailable(server):
		return installExtension
	}
	return ""
}

func canceledAdvice(e *postgres.MigrationError, server *pq.Error) string {
	switch {
	case !postgres.IsStatementTimeout(server):
		return "find the cause of the cancellation (the server log has its time), and deploy again; the file needs no change"
	case e.Reason.Cause == postgres.TimeoutOption:
		return "raise --statement-timeout (SHIPLOCK_STATEMENT_TIMEOUT; in the chart: extraEnv), or change the statement to do less at a time, and deploy again"
	case e.Reason.Cause == postgres.TimeoutInFile:
		return "raise or remove " + e.Reason.Setting + " in " + e.File + ", or change the statement to do less at a time, and deploy again"
	case e.Reason.Fix != "":
		return "raise the limit with --statement-timeout, which overrides the server's setting (or: " + e.Reason.Fix + "), and deploy again"
	}
	return "raise --statement-timeout, or change the statement to do less at a time, and deploy again"
}
