package failure

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"

	"github.com/shiplock/shiplock/internal/migrationerror"
)

// placeholders are the forms that other tools replace in SQL before they send it to the
// server. Longer forms come first.
var placeholders = []struct {
	form  *regexp.Regexp
	tools string
}{
	{regexp.MustCompile(`\{\{[^{}]{0,100}\}\}`), "Go templates, Helm or Jinja"},
	{regexp.MustCompile(`\$\{[^{}]{1,100}\}`), "Flyway, Liquibase or envsubst"},
	{regexp.MustCompile(`\$\([A-Za-z_][A-Za-z0-9_]*\)`), "sqlcmd"},
	{regexp.MustCompile(`<%[^%]{0,100}%>`), "ERB"},
	{regexp.MustCompile(`:(?:"[^"\n]{1,100}"|'[^'\n]{1,100}'|[A-Za-z_][A-Za-z0-9_]*)`), "psql (variables set with -v or \\set)"},
}

// placeholder describes the placeholder of another tool at the position of a syntax error.
func placeholder(e *migrationerror.Error) []string {
	if e.Script == nil || e.Offset < 0 || e.Offset >= len(e.Script.SQL) {
		return nil
	}
	// It may start before the position that the server reports: at the first brace of two.
	const before, around = 2, 120
	from := max(0, e.Offset-before)
	text := e.Script.SQL[from:min(len(e.Script.SQL), e.Offset+around)]
	for _, p := range placeholders {
		for _, found := range p.form.FindAllStringIndex(text, -1) {
			if at := e.Offset - from; found[0] > at || found[1] <= at || found[0] > 0 && text[found[0]-1] == ':' {
				continue
			}
			return []string{fmt.Sprintf("%s is a placeholder of %s; Shiplock sends the file to the server unchanged, so replace it with the value", text[found[0]:found[1]], p.tools)}
		}
	}
	return nil
}

// invisible describes the first character of some SQL that is invisible, or looks like a
// space without being one. It returns "" if there is none.
func invisible(sql string) string {
	for i, r := range sql {
		if r > 0x7f && (unicode.Is(unicode.Cf, r) || unicode.IsSpace(r)) {
			return fmt.Sprintf("line %d of the SQL has an invisible character, or one that only looks like a space, U+%04X; retype it", 1+strings.Count(sql[:i], "\n"), r)
		}
	}
	return ""
}
