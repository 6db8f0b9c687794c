package postgres

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/lib/pq"
)

// LiteralOrNull returns text as an SQL literal; NULL for empty text.
func LiteralOrNull(s string) string {
	if s == "" {
		return "NULL"
	}
	return strings.TrimSpace(pq.QuoteLiteral(strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", ""), "\uFFFD")))
}

var placeholder = regexp.MustCompile(`\$[0-9]+`)

// InlineParams replaces $1, $2 … in a query with literals. With parameters, lib/pq makes two round
// trips, between which a pooler in transaction mode may switch servers.
func InlineParams(query string, args ...any) string {
	if len(args) == 0 {
		return query // a name in the query may contain $1
	}
	return placeholder.ReplaceAllStringFunc(query, func(p string) string {
		n, _ := strconv.Atoi(p[1:])
		if text, ok := args[n-1].(string); ok {
			return pq.QuoteLiteral(text)
		}
		return fmt.Sprint(args[n-1])
	})
}

func TextArray(list []string) string {
	var out []string
	for _, s := range list {
		out = append(out, pq.QuoteLiteral(s))
	}
	return "ARRAY[" + strings.Join(out, ", ") + "]::text[]"
}
