package postgres

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/lib/pq"
	pgquery "github.com/pganalyze/pg_query_go/v6"
)

// maxPositionText is the length in bytes of the longest statement that is searched for a name.
const maxPositionText = 64 << 10

// findPosition sets the position of an error for which the server reports none, as with DDL: the
// line of a DO block, or the name in the error message if it occurs exactly once in the statement.
func (e *MigrationError) findPosition() {
	st, known := e.Statement()
	server := e.Server()
	if !known || server == nil || e.Offset >= 0 || e.Row > 0 || len(st.Text) > maxPositionText {
		return
	}
	if at := positionInDoBlock(st, server); at >= 0 {
		e.Offset = st.Offset + at
		return
	}
	for _, name := range errorNames(server) {
		if at := uniquePosition(st.Text, name); at >= 0 {
			e.Offset = st.Offset + at
			return
		}
	}
}

var (
	quotedName         = regexp.MustCompile(`"([^"]+)"`)
	unquotedErrorNames = []*regexp.Regexp{
		regexp.MustCompile(`^cannot drop (?:[a-z]+ )+?(\S+)(?: (?:of|on) .*)? because`),
		regexp.MustCompile(`^permission denied for (?:[a-z]+ )+(\S+)$`),
		regexp.MustCompile(`^must be owner of (?:[a-z]+ )+(\S+)$`),
	}
)

// errorNames returns the names in an error, most specific first.
func errorNames(e *pq.Error) []string {
	names := []string{e.Constraint, e.Column}
	for _, m := range quotedName.FindAllStringSubmatch(e.Message, -1) {
		names = append(names, m[1], m[1][strings.LastIndexByte(m[1], '.')+1:])
	}
	for _, r := range unquotedErrorNames {
		if m := r.FindStringSubmatch(e.Message); m != nil {
			names = append(names, m[1])
		}
	}
	return append(names, e.DataTypeName, e.Table)
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

var doBlockLine = regexp.MustCompile(`inline_code_block line (\d+) at [^\n]*$`)

// positionInDoBlock returns the offset in a DO statement at which its code failed, or -1.
func positionInDoBlock(st Statement, e *pq.Error) int {
	m := doBlockLine.FindStringSubmatch(e.Where)
	body := doBlockBody(st)
	start := strings.Index(st.Text, body)
	if m == nil || body == "" || start < 0 {
		return -1
	}
	if at := strings.Index(body, e.InternalQuery); e.InternalQuery != "" && at >= 0 && at == strings.LastIndex(body, e.InternalQuery) {
		position, err := strconv.Atoi(e.InternalPosition)
		if err != nil {
			position = 1
		}
		return start + at + len(string([]rune(e.InternalQuery)[:max(0, min(position-1, len([]rune(e.InternalQuery))))]))
	}
	number, err := strconv.Atoi(m[1])
	lines := strings.SplitAfter(body, "\n")
	if err != nil || number < 1 || number > len(lines) {
		return -1
	}
	line := lines[number-1]
	return start + len(strings.Join(lines[:number-1], "")) + len(line) - len(strings.TrimLeft(line, " \t"))
}

// doBlockBody returns the code of a DO statement.
func doBlockBody(st Statement) string {
	for _, arg := range st.node.GetDoStmt().GetArgs() {
		if d := arg.GetDefElem(); d.GetDefname() == "as" {
			return d.GetArg().GetString_().GetSval()
		}
	}
	return ""
}
