// Package versiontable parses the name of a version table. [Parse] and [Format] read and write
// the setting, and [ParseMigrateParams] reads golang-migrate's URL parameters. config validates
// the name, and postgres, which uses the table, parses it again.
package versiontable

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

const (
	// MaxIdentifierLength is NAMEDATALEN - 1: PostgreSQL truncates longer names.
	MaxIdentifierLength = 63
	// MaxLength leaves space for the suffix of the history tables.
	MaxLength = MaxIdentifierLength - len("_exec_history")
)

// Fits reports whether the names are short enough.
func Fits(schema, name string) bool {
	return len(schema) <= MaxIdentifierLength && len(name) <= MaxLength
}

// Parse parses the name of a version table, NAME or SCHEMA.NAME. Either part may be in
// double quotes, as in SQL: "shop.versions" in quotes is one name with a dot in it. An empty
// schema means the first schema of the search path. ok reports whether the quotes are
// balanced and no given part is empty.
func Parse(s string) (schema, name string, ok bool) {
	if strings.HasPrefix(s, `"`) {
		first, rest, closed := cutQuoted(s)
		switch {
		case !closed:
			return "", "", false
		case rest == "":
			return "", first, first != ""
		case rest[0] != '.':
			return "", "", false
		}
		schema, s = first, rest[1:]
	} else if before, after, qualified := strings.Cut(s, "."); qualified {
		schema, s = before, after
	} else {
		return "", s, s != ""
	}
	if quoted, rest, closed := cutQuoted(s); closed && rest == "" {
		s = quoted
	}
	return schema, s, schema != "" && s != ""
}

// cutQuoted cuts a name in double quotes from the beginning of s.
func cutQuoted(s string) (name, rest string, closed bool) {
	if !strings.HasPrefix(s, `"`) {
		return "", s, false
	}
	for i := 1; i < len(s); i++ {
		if s[i] != '"' {
			continue
		}
		if i+1 < len(s) && s[i+1] == '"' {
			i++
			continue
		}
		return strings.ReplaceAll(s[1:i], `""`, `"`), s[i+1:], true
	}
	return "", s, false
}

// Format formats a name so that Parse parses it.
func Format(schema, name string) string {
	quote := func(s string) string {
		if strings.ContainsAny(s, `."`) {
			return `"` + strings.ReplaceAll(s, `"`, `""`) + `"`
		}
		return s
	}
	if schema == "" {
		return quote(name)
	}
	return quote(schema) + "." + quote(name)
}

// The URL parameters of golang-migrate's PostgreSQL drivers for the version table.
const (
	Param       = "x-migrations-table"
	ParamQuoted = "x-migrations-table-quoted"
)

// quotedNames is golang-migrate's expression.
var quotedNames = regexp.MustCompile(`"(.*?)"`)

// ParseMigrateParams parses x-migrations-table as golang-migrate does: the whole value is one name
// in the first schema of the search path, unless x-migrations-table-quoted is true. Then it
// is "NAME" or "SCHEMA"."NAME". An empty name means the default table.
func ParseMigrateParams(value, quotedFlag string) (schema, name string, err error) {
	if quotedFlag == "" {
		return "", value, nil
	}
	quoted, err := strconv.ParseBool(quotedFlag)
	if err != nil {
		return "", "", fmt.Errorf("%s is %q; want true or false", ParamQuoted, quotedFlag)
	}
	if !quoted {
		return "", value, nil
	}
	names := quotedNames.FindAllStringSubmatch(value, -1)
	if !strings.HasPrefix(value, `"`) || !strings.HasSuffix(value, `"`) || len(names) == 0 || len(names) > 2 {
		return "", "", fmt.Errorf(`%s is %q and %s is true; want %s to be "NAME" or "SCHEMA"."NAME" with its quotes (as %%22 in the URL)`,
			Param, value, ParamQuoted, Param)
	}
	name = names[len(names)-1][1]
	if len(names) == 2 {
		schema = names[0][1]
		if schema == "" {
			name = ""
		}
	}
	if name == "" {
		return "", "", fmt.Errorf("%s is %q; want names that are not empty", Param, value)
	}
	return schema, name, nil
}
