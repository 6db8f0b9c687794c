package dsn

import (
	"regexp"
	"strings"
)

// unexpanded matches a variable that is a whole part of a URL, or a whole value. Within a
// password the same characters may be part of the password.
var unexpanded = regexp.MustCompile(`(?:^|[/:@=&?,])(?:\$\{[A-Za-z_][A-Za-z0-9_.]*(?::?[-=?+][^}]*)?\}|\$\([A-Za-z_][A-Za-z0-9_.]*\)|\{\{[^}]*\}\})(?:$|[:@/?&,])`)

// malformed describes characters in a secret that a template or a shell left there; it
// returns "" if there are none. The description never contains the value.
func malformed(s string, blanks bool) string {
	switch trimmed := strings.TrimSpace(s); {
	case strings.ContainsAny(strings.TrimRight(s, "\r\n"), "\r\n"):
		return "contains a line break"
	case strings.TrimRight(s, "\r\n") != s:
		return "ends with a line break: write it without one (printf '%s' instead of echo; in YAML |- instead of |)"
	case blanks && trimmed != s:
		return "begins or ends with a blank: remove it"
	case blanks && len(trimmed) > 1 && (trimmed[0] == '"' || trimmed[0] == '\'' || trimmed[0] == '`') && trimmed[len(trimmed)-1] == trimmed[0]:
		return "is in quotes: remove them (a Secret and an env file contain only the value)"
	case unexpanded.MatchString(s):
		return "contains a variable that was not expanded, such as ${NAME}, $(NAME) or {{ NAME }}: expand the variable where the value is written " +
			"(in Kubernetes, $(NAME) is expanded if NAME is defined before it); if the password contains these characters, write $ as %24 in the URL"
	}
	return ""
}

// otherSchemes matches the URL schemes of other programs' PostgreSQL drivers.
var otherSchemes = regexp.MustCompile(`^(?i)((jdbc:)?(postgres|postgresql|pgx\d*|psql|postgis|pg|crdb-postgres|cockroach|cockroachdb|redshift|yugabyte|yugabytedb|timescaledb|ecto|postgres\+\w+|postgresql\+\w+|prisma\+postgres))$`)

// schemeProblem describes the problem with a URL's scheme.
func schemeProblem(scheme string) string {
	const want = "write postgres://user:password@host:5432/database"
	if otherSchemes.MatchString(scheme) {
		return `the scheme is "` + scheme + `", which is the PostgreSQL driver of another program: ` + want
	}
	if plainScheme.MatchString(scheme) {
		return `the scheme is "` + scheme + `", and the scheme must be "postgres" or "postgresql": ` + want
	}
	return `the scheme must be "postgres" or "postgresql": ` + want // the text may be a secret
}

var plainScheme = regexp.MustCompile(`^(?i)(mysql|mariadb|sqlite3?|sqlserver|mssql|mongodb(\+srv)?|oracle|clickhouse|file|https?|tcp|jdbc:\w+)$`)

// dotNet matches a .NET connection string, whose parts are separated by semicolons.
var dotNet = regexp.MustCompile(`(?i)^\s*(host|server|data source|username|user id|database|port)\s*=[^;]*;`)
