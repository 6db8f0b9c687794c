// Package servermessage reads the texts of errors of PostgreSQL, connection poolers, lib/pq and
// database/sql, for facts that have no code, type or field: a quoted name, the processes of a
// deadlock, the parameter that a pooler refused. It has every decision that reads such a text, and no
// other package reads one. PostgreSQL translates its messages (lc_messages), so a function treats an
// unknown text as an error without the fact.
//
// Package postgres calls it to classify errors of a connection; executor, diagnose and report call it
// to explain a failed statement.
package servermessage

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/lib/pq"
)

var (
	quotedName       = regexp.MustCompile(`"([^"]+)"`)
	quotedText       = regexp.MustCompile(`"(.*)"`)
	permissionDenied = regexp.MustCompile(`^permission denied for ([a-z ]+) (\S.*)$`)
	notOwner         = regexp.MustCompile(`^must be owner of ([a-z ]+) (\S.*)$`)
	extensionDenied  = regexp.MustCompile(`^permission denied to create extension "(.*)"$`)
	deniedTable      = regexp.MustCompile(`table "?([^"]+?)"?$`)
	deadlockProcess  = regexp.MustCompile(`(?:[Pp]rocess|[Pp]rozess|PID) (\d+)`)
	doBlockContext   = regexp.MustCompile(`inline_code_block line (\d+) at [^\n]*$`)
	usingClause      = regexp.MustCompile(`USING [^".]+`)
	// unquotedName match messages whose name is not in quotes.
	unquotedName = []*regexp.Regexp{
		regexp.MustCompile(`^cannot drop (?:[a-z]+ )+?(\S+)(?: (?:of|on) .*)? because`),
		regexp.MustCompile(`^permission denied for (?:[a-z]+ )+(\S+)$`),
		regexp.MustCompile(`^must be owner of (?:[a-z]+ )+(\S+)$`),
	}
	// copyPosition matches the position of an error in the rows, "COPY t, line 3, column a: …", in
	// any language of the server's messages.
	copyPosition = regexp.MustCompile(`(?m)^COPY .+?, \p{L}+ (\d+)(?:[,:]|$)`)
	// copyContextRow matches a row in the context of a COPY error: COPY guests, line 3: "…".
	copyContextRow = regexp.MustCompile(`(?m)^(COPY .*, line \d+): ".*$`)
)

// QuotedName returns the name that a message has in quotes, from the first quote to the last, or "".
func QuotedName(e *pq.Error) string {
	if m := quotedText.FindStringSubmatch(e.Message); m != nil {
		return m[1]
	}
	return ""
}

// Names returns the names in an error, most specific first.
func Names(e *pq.Error) []string {
	names := []string{e.Constraint, e.Column}
	for _, name := range QuotedNames(e) {
		names = append(names, name, name[strings.LastIndexByte(name, '.')+1:])
	}
	for _, r := range unquotedName {
		if m := r.FindStringSubmatch(e.Message); m != nil {
			names = append(names, m[1])
		}
	}
	return append(names, e.DataTypeName, e.Table)
}

// QuotedNames returns all names that a message has in quotes.
func QuotedNames(e *pq.Error) []string {
	var names []string
	for _, m := range quotedName.FindAllStringSubmatch(e.Message, -1) {
		names = append(names, m[1])
	}
	return names
}

// Mentions reports whether an error contains a name as a whole word.
func Mentions(e *pq.Error, name string) bool {
	return ContainsName(strings.Join([]string{e.InternalQuery, e.Where, e.Message}, "\n"), name)
}

// ContainsName reports whether a text contains a name as a whole word.
func ContainsName(text, name string) bool {
	return regexp.MustCompile(`(?:^|[^\w$])` + regexp.QuoteMeta(name) + `(?:$|[^\w$])`).MatchString(text)
}

// DeniedExtension returns the extension that the role may not create, or "".
func DeniedExtension(e *pq.Error) string {
	if m := extensionDenied.FindStringSubmatch(e.Message); m != nil {
		return m[1]
	}
	return ""
}

// DeniedObject returns the kind, such as "table", and the name of the object for which the role lacks
// a privilege, or which it must own. Both are "" for other messages.
func DeniedObject(e *pq.Error) (kind, name string, owner bool) {
	m := permissionDenied.FindStringSubmatch(e.Message)
	if m == nil {
		m, owner = notOwner.FindStringSubmatch(e.Message), true
	}
	if m == nil {
		return "", "", false
	}
	return m[1], strings.Trim(m[2], `"`), owner
}

// DeniedTable returns the table that ends the message of a missing privilege, or "".
func DeniedTable(e *pq.Error) string {
	if m := deniedTable.FindStringSubmatch(e.Message); m != nil {
		return m[1]
	}
	return ""
}

// IsRoleMissing reports whether the undefined object of an error is a role.
func IsRoleMissing(e *pq.Error) bool { return strings.HasPrefix(e.Message, "role ") }

// IsRoleRefused reports whether an error of a new session or a SET ROLE is about the role. The name of
// the server's function is the same in every language.
func IsRoleRefused(e *pq.Error, role string) bool {
	return strings.Contains(e.Message, role) && (MentionsRole(e) || strings.Contains(e.Routine, "check_hook"))
}

// MentionsRole reports whether a message is about a role or the parameter role.
func MentionsRole(e *pq.Error) bool { return strings.Contains(e.Message, "role") }

// DeadlockPIDs returns the process IDs in the detail of a deadlock.
func DeadlockPIDs(e *pq.Error) []string {
	var pids []string
	for _, m := range deadlockProcess.FindAllStringSubmatch(e.Detail, -1) {
		if !slices.Contains(pids, m[1]) {
			pids = append(pids, m[1])
		}
	}
	return pids
}

// IsStatementTimeout reports whether statement_timeout canceled a statement, and not another session:
// both have the same SQLSTATE.
func IsStatementTimeout(e *pq.Error) bool { return strings.Contains(e.Message, "statement timeout") }

// ExhaustedLockTable returns the setting with which the server's lock table can be enlarged if an error
// is about its size, or "".
func ExhaustedLockTable(e *pq.Error) string {
	for _, setting := range []string{"max_locks_per_transaction", "max_pred_locks_per_transaction"} {
		if strings.Contains(e.Hint, setting) { // the name is the same in every language
			return setting
		}
	}
	return ""
}

// SuggestedUsing returns the USING clause that the server suggests for a type change, or "".
func SuggestedUsing(e *pq.Error) string { return usingClause.FindString(e.Hint) }

// IsColumnOfView reports whether a column cannot be changed because a view or rule uses it.
func IsColumnOfView(e *pq.Error) bool {
	return e.Routine == "ATExecAlterColumnType" || strings.Contains(e.Detail, "depends on column")
}

// IsExtensionUnavailable reports whether the unsupported feature of an error is an extension.
func IsExtensionUnavailable(e *pq.Error) bool { return strings.Contains(e.Message, "extension") }

// A LimitScope is what a connection limit applies to.
type LimitScope int

const (
	ServerLimit LimitScope = iota
	RoleLimit
	DatabaseLimit
)

// ConnectionLimit returns which connection limit is exhausted, and the name of the role or database.
func ConnectionLimit(e *pq.Error) (scope LimitScope, name string) {
	name = QuotedName(e)
	switch {
	case name != "" && strings.Contains(e.Message, "for role"):
		return RoleLimit, name
	case name != "" && strings.Contains(e.Message, "for database"):
		return DatabaseLimit, name
	}
	return ServerLimit, ""
}

// A Volume is what a full disk of the database server holds.
type Volume int

const (
	DataVolume Volume = iota
	WALVolume
	TemporaryFilesVolume
	TablespaceVolume
)

// FullVolume returns the volume of the file that could not be extended, by its name in the message
// (PostgreSQL manual, "Database File Layout").
func FullVolume(e *pq.Error) Volume {
	switch {
	case strings.Contains(e.Message, "pg_wal"):
		return WALVolume
	case strings.Contains(e.Message, "pgsql_tmp"):
		return TemporaryFilesVolume
	case strings.Contains(e.Message, "pg_tblspc"):
		return TablespaceVolume
	}
	return DataVolume
}

// DoBlockLine returns the line of a DO block, from 1, at which its code failed; 0 for none.
func DoBlockLine(e *pq.Error) int { return numberIn(doBlockContext, e.Where) }

// CopyRow returns the number of the COPY row, from 1, that caused an error; 0 for none.
func CopyRow(e *pq.Error) int { return numberIn(copyPosition, e.Where) }

// numberIn returns the number that the first group of a pattern matches; 0 for none.
func numberIn(pattern *regexp.Regexp, text string) int {
	m := pattern.FindStringSubmatch(text)
	if m == nil {
		return 0
	}
	n, _ := strconv.Atoi(m[1]) // 0 if it is out of range
	return n
}

// ShowsOnlyKey reports whether the detail of a rejected row has only its partition key.
func ShowsOnlyKey(e *pq.Error) bool {
	return strings.HasPrefix(e.Detail, "Partition key of the failing row")
}

// ContextWithoutRows returns the context of an error without the rows of a COPY.
func ContextWithoutRows(e *pq.Error) string { return copyContextRow.ReplaceAllString(e.Where, "$1") }
