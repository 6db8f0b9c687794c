package config

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ParseTable parses the name of a version table, NAME or SCHEMA.NAME. Either part may be in
// double quotes, as in SQL: "shop.versions" in quotes is one name with a dot in it. An empty
// schema means the first schema of the search path. ok reports whether the quotes are
// balanced and no given part is empty.
func ParseTable(s string) (schema, name string, ok bool) {
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

// formatTable formats a name so that ParseTable parses it.
func formatTable(schema, name string) string {
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

// The parameters that golang-migrate's PostgreSQL drivers (postgres, pgx and pgx5) read
// from their URL.
const (
	paramTable         = "x-migrations-table"
	paramTableQuoted   = "x-migrations-table-quoted"
	paramTimeout       = "x-statement-timeout"
	paramMulti         = "x-multi-statement"
	paramMultiSize     = "x-multi-statement-max-size"
	paramLockStrategy  = "x-lock-strategy"
	paramLockTableName = "x-lock-table"
)

// takeMigrateParams removes and returns golang-migrate's x-… parameters, which a server would
// reject as unknown settings. If one is given twice, golang-migrate uses the first.
func (u *dbURL) takeMigrateParams() map[string]string {
	out := map[string]string{}
	for k := range u.params {
		if strings.HasPrefix(k, "x-") {
			out[k] = u.params.Get(k)
			delete(u.params, k)
		}
	}
	return out
}

// applyMigrateParams applies the x-… parameters of the URL exactly as golang-migrate does,
// or refuses them by name: with another version table, all migrations would be pending.
func (s *Settings) applyMigrateParams(params map[string]string) error {
	for _, name := range sortedKeys(params) {
		if s.Tool {
			break // the tool reads the parameters
		}
		switch name {
		case paramTable, paramTableQuoted:
		case paramTimeout, paramMulti, paramMultiSize, paramLockStrategy, paramLockTableName:
			if s.Migrates {
				if err := s.applyRunParam(name, params[name]); err != nil {
					return err
				}
			}
		default:
			return usage("the database URL has %s, which golang-migrate's PostgreSQL drivers do not support: remove it, or correct its name (%s sets the version table)",
				name, paramTable)
		}
	}
	schema, name, err := migrateTable(params[paramTable], params[paramTableQuoted])
	if err != nil || name == "" {
		return err
	}
	if s.TableGiven || s.Table != DefaultTable {
		givenSchema, givenName, _ := ParseTable(s.Table)
		if givenSchema != schema || givenName != name {
			return usage("the version table is set twice: --table (SHIPLOCK_TABLE, in the chart migrationsTable) is %s, and %s in the database URL is %s: remove one of them",
				s.Table, paramTable, formatTable(schema, name))
		}
	}
	if len(schema) > identifierLimit || len(name) > tableLimit {
		return usage("%s is %q; want a name of at most %d bytes", paramTable, params[paramTable], tableLimit)
	}
	s.Table = formatTable(schema, name)
	return nil
}

// quotedNames is golang-migrate's expression.
var quotedNames = regexp.MustCompile(`"(.*?)"`)

// migrateTable parses x-migrations-table as golang-migrate does: the whole value is one name
// in the first schema of the search path, unless x-migrations-table-quoted is true. Then it
// is "NAME" or "SCHEMA"."NAME". An empty name means the default table.
func migrateTable(value, quotedFlag string) (schema, name string, err error) {
	if quotedFlag == "" {
		return "", value, nil
	}
	quoted, err := strconv.ParseBool(quotedFlag)
	if err != nil {
		return "", "", usage("%s is %q; want true or false", paramTableQuoted, quotedFlag)
	}
	if !quoted {
		return "", value, nil
	}
	names := quotedNames.FindAllStringSubmatch(value, -1)
	if !strings.HasPrefix(value, `"`) || !strings.HasSuffix(value, `"`) || len(names) == 0 || len(names) > 2 {
		return "", "", usage(`%s is %q and %s is true; want %s to be "NAME" or "SCHEMA"."NAME" with its quotes (as %%22 in the URL)`,
			paramTable, value, paramTableQuoted, paramTable)
	}
	name = names[len(names)-1][1]
	if len(names) == 2 {
		schema = names[0][1]
		if schema == "" {
			name = ""
		}
	}
	if name == "" {
		return "", "", usage("%s is %q; want names that are not empty", paramTable, value)
	}
	return schema, name, nil
}

// applyRunParam checks a parameter that changes how golang-migrate runs a file or takes its
// lock. It accepts values that do not change the behavior.
func (s *Settings) applyRunParam(name, value string) error {
	switch name {
	case paramTimeout:
		ms, err := strconv.Atoi(cmp.Or(value, "0"))
		if err != nil {
			return usage("%s is %q; want a number of milliseconds", name, value)
		}
		if ms != 0 && s.StatementTimeout == 0 {
			return usage("%s in the database URL limits a whole file in golang-migrate, and Shiplock limits each statement: "+
				"remove it, or set --statement-timeout %s (SHIPLOCK_STATEMENT_TIMEOUT), which replaces it", name, time.Duration(ms)*time.Millisecond)
		}
	case paramMulti:
		multi, err := strconv.ParseBool(cmp.Or(value, "false"))
		if err != nil {
			return usage("%s is %q; want true or false", name, value)
		}
		if multi {
			return usage("%s in the database URL runs each statement separately and keeps those before a failed one: remove it. "+
				"Shiplock runs a file in one transaction, or statement by statement if a statement requires it or the file has the line -- shiplock:no-transaction", name)
		}
	case paramMultiSize:
		if _, err := strconv.Atoi(cmp.Or(value, "0")); err != nil {
			return usage("%s is %q; want a number of bytes", name, value)
		}
	case paramLockStrategy:
		if value != "" && value != "advisory" {
			return usage("%s in the database URL is %q, a lock that Shiplock does not take, so golang-migrate could run at the same time: "+
				"remove it (both then use the advisory lock)", name, value)
		}
	}
	return nil
}

func sortedKeys(m map[string]string) []string {
	return slices.Sorted(maps.Keys(m))
}
