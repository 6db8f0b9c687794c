package migrationerror

import (
	"strconv"
	"strings"

	"github.com/lib/pq"
	pgquery "github.com/pganalyze/pg_query_go/v6"

	"github.com/shiplock/shiplock/internal/script"
	"github.com/shiplock/shiplock/internal/servermessage"
)

// maxPositionText is the length in bytes of the longest statement that is searched for a name.
const maxPositionText = 64 << 10

// FindPosition sets the position of an error for which the server reports none, as with DDL: the
// line of a DO block, or the name in the error message if it occurs exactly once in the statement.
func (e *Error) FindPosition() {
	st, known := e.Statement()
	server := e.Server()
	if !known || server == nil || e.Offset >= 0 || e.Row > 0 || len(st.Text) > maxPositionText {
		return
	}
	if at := positionInDoBlock(st, server); at >= 0 {
		e.Offset = st.Offset + at
		return
	}
	for _, name := range servermessage.Names(server) {
		if at := uniquePosition(st.Text, name); at >= 0 {
			e.Offset = st.Offset + at
			return
		}
	}
}

// uniquePosition returns the offset of a name that occurs exactly once in a statement, or -1.
func uniquePosition(sql, name string) int {
	if name == "" {
		return -1
	}
	tokens, err := pgquery.Scan(sql)
	if err != nil {
		return -1
	}
	at := -1
	for _, t := range tokens.Tokens {
		word := sql[t.Start:t.End]
		if strings.HasPrefix(word, "'") || strings.HasPrefix(word, "$") || strings.HasPrefix(word, "-") || strings.HasPrefix(word, "/") {
			continue
		}
		quoted := strings.HasPrefix(word, `"`)
		if quoted && strings.ReplaceAll(strings.Trim(word, `"`), `""`, `"`) == name || !quoted && strings.ToLower(word) == name {
			if at >= 0 {
				return -1
			}
			at = int(t.Start)
		}
	}
	return at
}

// positionInDoBlock returns the offset in a DO statement at which its code failed, or -1.
func positionInDoBlock(st script.Statement, e *pq.Error) int {
	number := servermessage.DoBlockLine(e)
	body := doBlockBody(st)
	start := strings.Index(st.Text, body)
	if number == 0 || body == "" || start < 0 {
		return -1
	}
	if at := strings.Index(body, e.InternalQuery); e.InternalQuery != "" && at >= 0 && at == strings.LastIndex(body, e.InternalQuery) {
		position, err := strconv.Atoi(e.InternalPosition)
		if err != nil {
			position = 1
		}
		return start + at + len(string([]rune(e.InternalQuery)[:max(0, min(position-1, len([]rune(e.InternalQuery))))]))
	}
	lines := strings.SplitAfter(body, "\n")
	if number > len(lines) {
		return -1
	}
	line := lines[number-1]
	return start + len(strings.Join(lines[:number-1], "")) + len(line) - len(strings.TrimLeft(line, " \t"))
}

// doBlockBody returns the code of a DO statement.
func doBlockBody(st script.Statement) string {
	for _, arg := range st.Node.GetDoStmt().GetArgs() {
		if d := arg.GetDefElem(); d.GetDefname() == "as" {
			return d.GetArg().GetString_().GetSval()
		}
	}
	return ""
}
