package config

import (
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/test/pgtest"
)

func TestDatabase_MigrateParameters_Applied(t *testing.T) {
	pgtest.UnsetVariables(t)
	for _, c := range []struct {
		query  string
		change func(*Settings)
		table  string
	}{
		{"x-migrations-table=versions", nil, "versions"},
		{"x-migrations-table=", nil, "schema_migrations"},
		{"x-migrations-table=shop.versions", nil, `"shop.versions"`},
		{"x-migrations-table=" + url.QueryEscape(`"shop"."versions"`), nil, `"""shop"".""versions"""`},
		{"x-migrations-table-quoted=false&x-migrations-table=a.b", nil, `"a.b"`},
		{"x-migrations-table-quoted=1&x-migrations-table=" + url.QueryEscape(`"shop"."versions"`), nil, "shop.versions"},
		{"x-migrations-table-quoted=true&x-migrations-table=" + url.QueryEscape(`"a.b"`), nil, `"a.b"`},
		{"x-migrations-table-quoted=t&x-migrations-table=" + url.QueryEscape(`"a"."b.c"`), nil, `a."b.c"`},
		{"x-migrations-table=one&x-migrations-table=two", nil, "one"},
		{"x-migrations-table=versions", func(s *Settings) { s.Table, s.TableGiven = "versions", true }, "versions"},
		{"x-migrations-table=schema_migrations", func(s *Settings) { s.TableGiven = true }, "schema_migrations"},
		{"x-statement-timeout=0&x-multi-statement=false&x-multi-statement-max-size=5&x-lock-strategy=advisory&x-lock-table=l", nil, "schema_migrations"},
		{"x-statement-timeout=500", func(s *Settings) { s.StatementTimeout = time.Second }, "schema_migrations"},
		{"x-statement-timeout=500&x-multi-statement=true&x-lock-strategy=table", func(s *Settings) { s.Migrates = false }, "schema_migrations"},
		{"x-multi-statement=true&x-anything=1", func(s *Settings) { s.Tool = true }, "schema_migrations"},
	} {
		t.Run(c.query, func(t *testing.T) {
			s := newSettings(func(s *Settings) { s.DatabaseURL += "?" + c.query; s.Migrates = true })
			if c.change != nil {
				c.change(&s)
			}
			_, err := s.Database(env(nil))
			require.NoError(t, err)
			assert.Equal(t, c.table, s.Table)
		})
	}
}

func TestDatabase_MigrateParameters_Refused(t *testing.T) {
	pgtest.UnsetVariables(t)
	for _, c := range []struct {
		query  string
		change func(*Settings)
		want   []string
	}{
		{"x-migrations-table=versions", func(s *Settings) { s.Table, s.TableGiven = "mine", true }, []string{"x-migrations-table", "--table", "mine", "versions", "remove one"}},
		{"x-migrations-table=versions", func(s *Settings) { s.TableGiven = true }, []string{"x-migrations-table", "schema_migrations"}},
		{"x-migrations-table=shop.versions", func(s *Settings) { s.Table, s.TableGiven = "shop.versions", true }, []string{"x-migrations-table", `"shop.versions"`}},
		{"x-migrations-table-quoted=true&x-migrations-table=shop.versions", nil, []string{"x-migrations-table-quoted", `"SCHEMA"."NAME"`}},
		{"x-migrations-table-quoted=true", nil, []string{"x-migrations-table-quoted"}},
		{"x-migrations-table-quoted=true&x-migrations-table=%22", nil, []string{"x-migrations-table-quoted"}},
		{"x-migrations-table-quoted=true&x-migrations-table=%22%22", nil, []string{"x-migrations-table", "not empty"}},
		{"x-migrations-table-quoted=true&x-migrations-table=%22%22.%22a%22", nil, []string{"x-migrations-table", "not empty"}},
		{"x-migrations-table-quoted=true&x-migrations-table=%22a%22.%22b%22.%22c%22", nil, []string{"x-migrations-table-quoted"}},
		{"x-migrations-table-quoted=yes", nil, []string{"x-migrations-table-quoted", "true or false"}},
		{"x-migrations-table=" + string(make60()), nil, []string{"x-migrations-table", "at most 50 bytes"}},
		{"x-statement-timeout=500", nil, []string{"x-statement-timeout", "--statement-timeout 500ms"}},
		{"x-statement-timeout=5s", nil, []string{"x-statement-timeout", "milliseconds"}},
		{"x-multi-statement=true", nil, []string{"x-multi-statement", "remove it"}},
		{"x-multi-statement=on", nil, []string{"x-multi-statement", "true or false"}},
		{"x-multi-statement-max-size=1MB", nil, []string{"x-multi-statement-max-size", "bytes"}},
		{"x-lock-strategy=table", nil, []string{"x-lock-strategy", "advisory lock"}},
		{"x-migration-table=versions", nil, []string{"x-migration-table", "x-migrations-table"}},
		{"x-no-lock=true", func(s *Settings) { s.Migrates = false }, []string{"x-no-lock"}},
	} {
		t.Run(c.query, func(t *testing.T) {
			s := newSettings(func(s *Settings) { s.DatabaseURL += "?" + c.query; s.Migrates = true })
			if c.change != nil {
				c.change(&s)
			}
			_, err := s.Database(env(nil))
			var usage *UsageError
			require.ErrorAs(t, err, &usage)
			for _, want := range c.want {
				assert.Contains(t, err.Error(), want)
			}
		})
	}
}

func make60() []byte {
	b := make([]byte, 60)
	for i := range b {
		b[i] = 'v'
	}
	return b
}
