package config

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/shiplock/shiplock/internal/config/versiontable"
)

// The other parameters that golang-migrate's PostgreSQL drivers (postgres, pgx and pgx5) read
// from their URL.
const (
	paramTimeout       = "x-statement-timeout"
	paramMulti         = "x-multi-statement"
	paramMultiSize     = "x-multi-statement-max-size"
	paramLockStrategy  = "x-lock-strategy"
	paramLockTableName = "x-lock-table"
)

// applyMigrateParams applies the x-… parameters of the URL exactly as golang-migrate does,
// or refuses them by name: with another version table, all migrations would be pending.
func (s *Settings) applyMigrateParams(params map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(params)) {
		if s.Tool {
			break // the tool reads the parameters
		}
		switch name {
		case versiontable.Param, versiontable.ParamQuoted:
		case paramTimeout, paramMulti, paramMultiSize, paramLockStrategy, paramLockTableName:
			if s.Migrates {
				if err := s.applyRunParam(name, params[name]); err != nil {
					return err
				}
			}
		default:
			return usage("the database URL has %s, which golang-migrate's PostgreSQL drivers do not support: remove it, or correct its name (%s sets the version table)",
				name, versiontable.Param)
		}
	}
	schema, name, err := versiontable.ParseMigrateParams(params[versiontable.Param], params[versiontable.ParamQuoted])
	if err != nil {
		return &UsageError{Problem: err.Error()}
	}
	if name == "" {
		return nil
	}
	if s.TableGiven || s.Table != DefaultTable {
		givenSchema, givenName, _ := versiontable.Parse(s.Table)
		if givenSchema != schema || givenName != name {
			return usage("the version table is set twice: --table (SHIPLOCK_TABLE, in the chart migrationsTable) is %s, and %s in the database URL is %s: remove one of them",
				s.Table, versiontable.Param, versiontable.Format(schema, name))
		}
	}
	if !versiontable.Fits(schema, name) {
		return usage("%s is %q; want a name of at most %d bytes", versiontable.Param, params[versiontable.Param], versiontable.MaxLength)
	}
	s.Table = versiontable.Format(schema, name)
	return nil
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
