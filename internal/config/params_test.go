package config

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseDSN_OtherProgramsParameters_Ignored(t *testing.T) {
	clearPG(t)
	for query, ignored := range map[string]string{
		"sslmode=require&channel_binding=require": "channel_binding (the migrator does not support channel binding: sslmode=verify-full with a CA protects against the same attack)",
		"channel_binding=prefer&gssencmode=disable&sslcertmode=allow&replication=false&sslcompression=0&requiressl=0": "",
		"keepalives=1&keepalives_idle=30&keepalives_interval=10&keepalives_count=3&tcp_user_timeout=5000":             "keepalives (libpq), keepalives_count (libpq), keepalives_idle (libpq), keepalives_interval (libpq), tcp_user_timeout (libpq)",
		"connect_timeout=10&target_session_attrs=any&load_balance_hosts=disable&sslsni=0&application_name=x":          "",
		"schema=public&connection_limit=5&pgbouncer=true":                                                             "connection_limit (Prisma), pgbouncer (Prisma), schema (Prisma)",
		"pool_max_conns=4&default_query_exec_mode=simple_protocol":                                                    "default_query_exec_mode (pgx), pool_max_conns (pgx)",
		"prepareThreshold=0&reWriteBatchedInserts=true&ssl=false":                                                     "prepareThreshold (JDBC), reWriteBatchedInserts (JDBC), ssl (JDBC, node-postgres or asyncpg)",
		"prepared_statement_cache_size=0&pool=5&idleTimeoutMillis=1":                                                  "idleTimeoutMillis (node-postgres), pool (Rails), prepared_statement_cache_size (SQLAlchemy, asyncpg or Django)",
	} {
		d, err := ParseDSN("postgres://app@db/shop?" + query)
		require.NoError(t, err, query)
		assert.Equal(t, ignored, strings.Join(d.Ignored(), ", "), query)
		assert.Empty(t, d.cfg.Runtime, query)
	}
	d, err := ParseDSN("postgres://app@db/shop?search_path=shop&TimeZone=UTC&statement_timeout=5")
	require.NoError(t, err)
	assert.Len(t, d.cfg.Runtime, 3, "settings of the server stay")
}

func TestParseDSN_OtherProgramsParameters_Refused(t *testing.T) {
	clearPG(t)
	for query, want := range map[string][]string{
		"channel_binding=require":                {"channel_binding", "sslmode=verify-full"},
		"sslmode=prefer&channel_binding=require": {"channel_binding", "sslmode"},
		"channel_binding=maybe":                  {"channel_binding"},
		"require_auth=scram-sha-256":             {"require_auth", "pg_hba.conf"},
		"sslcrl=/etc/crl":                        {"sslcrl"},
		"gssencmode=require":                     {"gssencmode"},
		"sslpassword=hunter22":                   {"sslpassword", "openssl"},
		"requirepeer=postgres":                   {"requirepeer"},
		"schema=shop":                            {"schema", "Prisma", "search_path"},
		"sslaccept=strict":                       {"sslaccept", "Prisma", "verify-full"},
		"currentSchema=shop":                     {"currentSchema", "JDBC", "search_path"},
		"ssl=true":                               {"ssl,", "sslmode=require"},
		"targetServerType=primary":               {"targetServerType", "target_session_attrs"},
	} {
		_, err := ParseDSN("postgres://app:hunter22@db/shop?" + query)
		require.Error(t, err, query)
		for _, w := range want {
			assert.Contains(t, err.Error(), w, query)
		}
		assert.NotContains(t, err.Error(), "hunter22")
	}
}

func TestParseDSN_OtherSchemes_Refused(t *testing.T) {
	clearPG(t)
	for _, scheme := range []string{"pgx5", "pgx", "postgresql+psycopg", "postgresql+asyncpg", "jdbc:postgresql", "cockroachdb", "redshift", "mysql", "sqlite3", "jdbc:mysql"} {
		_, err := ParseDSN(scheme + "://app:hunter22@db:5432/shop")
		require.Error(t, err, scheme)
		assert.Contains(t, err.Error(), `"`+scheme+`"`)
		assert.Contains(t, err.Error(), "write postgres://")
		assert.NotContains(t, err.Error(), "hunter22")
	}
	_, err := ParseDSN("hunter22://app@db/shop")
	require.Error(t, err)
	assert.NotContains(t, err.Error(), "hunter22", "what stands there may be a secret")
	_, err = ParseDSN("jdbc:postgresql:shop?user=app&password=hunter22")
	require.Error(t, err)
	assert.Contains(t, err.Error(), "write postgres://")
	assert.NotContains(t, err.Error(), "hunter22")
}

func TestDatabase_MalformedSecrets_ErrorWithoutValue(t *testing.T) {
	clearPG(t)
	const url = "postgres://app:hunter22@db:5432/shop"
	for value, want := range map[string]string{
		url + "\n":                        "ends with a line break",
		url + "\r\n":                      "ends with a line break",
		"postgres://app:hunter22\n@db/x":  "contains a line break",
		`"` + url + `"`:                   "is in quotes",
		"'" + url + "'":                   "is in quotes",
		" " + url:                         "begins or ends with a blank",
		url + "\t":                        "begins or ends with a blank",
		"${DATABASE_URL}":                 "contains a variable",
		"$(DATABASE_URL)":                 "contains a variable",
		"{{ .Values.url }}":               "contains a variable",
		"postgres://app:${PASSWORD}@db/x": "contains a variable",
		"postgres://$(USER):hunter22@db":  "contains a variable",
		"postgres://app@${HOST:-db}/shop": "contains a variable",
	} {
		s := newSettings(func(s *Settings) { s.DatabaseURL = value })
		_, err := s.Database(env(nil))
		var usage *UsageError
		require.ErrorAs(t, err, &usage, "%q", value)
		assert.Contains(t, err.Error(), want, "%q", value)
		assert.NotContains(t, err.Error(), "hunter22")
		assert.NotContains(t, err.Error(), "DATABASE_URL}")
	}
	for name, value := range map[string]string{"PGHOST": "db\n", "PGPASSWORD": "hunter22\n", "PGUSER": `"app"`, "PGDATABASE": "$(NAME)", "PGPORT": " 5432"} {
		s := newSettings(func(*Settings) {})
		_, err := s.Database(env(map[string]string{name: value}))
		require.Error(t, err, name)
		assert.Contains(t, err.Error(), name+" ")
		assert.NotContains(t, err.Error(), "hunter22")
	}
	s := newSettings(func(*Settings) {})
	_, err := s.Database(env(map[string]string{"PGPASSWORD": `"with ${quotes} and blanks" `}))
	assert.NoError(t, err, "a password may have them")
}

func TestDatabase_SourceURL_SameAsGolangMigrate(t *testing.T) {
	clearPG(t)
	for in, want := range map[string]string{
		"file:///migrations": "/migrations", "file://migrations": "migrations", "file://./db/migrations": "db/migrations",
		"file://../up": "../up", "file://": ".", "/plain/": "/plain", "db": "db", "file:///with%20blank": "/with blank",
	} {
		s := newSettings(func(s *Settings) { s.Source = in })
		_, err := s.Database(env(nil))
		require.NoError(t, err, in)
		assert.Equal(t, want, s.Source, in)
	}
	for _, in := range []string{"github://owner/repo", "s3://bucket/x", "file:///a?b=c", "file://%zz"} {
		s := newSettings(func(s *Settings) { s.Source = in })
		_, err := s.Database(env(nil))
		var usage *UsageError
		assert.True(t, errors.As(err, &usage), in)
	}
}

func TestRedact_ShortPassword_OnlyInPasswordPosition(t *testing.T) {
	clearPG(t)
	for _, password := range []string{"app", "is", "migration", "database", "in", "postgres", "up", "123"} {
		d, err := ParseDSN("postgres://owner:" + password + "@db/shop")
		require.NoError(t, err)
		const message = "migration 123_in.up.sql is applied to the database; postgres://db: what is applied, app 123 up"
		assert.Equal(t, message, d.Redact(message), password)
		for _, leak := range []string{"postgres://owner:" + password + "@db/shop", "password=" + password + " host=db", "PGPASSWORD=" + password, `"password": "` + password + `"`, "password '" + password + "'", "password " + password} {
			assert.NotRegexp(t, `\b`+password+`(@| host|"?$|'$|$)`, d.Redact(leak), "%s in %s", password, leak)
			assert.Contains(t, d.Redact(leak), "xxxxx", leak)
		}
	}
	d, err := ParseDSN("postgres://owner:s3cretword@db/shop")
	require.NoError(t, err)
	assert.Equal(t, "axxxxxb", d.Redact("as3cretwordb"), "a strong one is redacted wherever it stands")
	d, err = ParseDSN("postgres://owner:a1b2@db/shop")
	require.NoError(t, err)
	assert.Equal(t, "login a1b2c3 xxxxx", d.Redact("login a1b2c3 a1b2"))
}

func TestParseDSN_LibpqVariables_SameAsParameters(t *testing.T) {
	clearPG(t)
	t.Setenv("PGCHANNELBINDING", "require")
	t.Setenv("PGGSSENCMODE", "disable")
	d, err := ParseDSN("postgres://app@db/shop?sslmode=require")
	require.NoError(t, err)
	assert.Len(t, d.Ignored(), 1)
	assert.Contains(t, d.Ignored()[0], "channel_binding")
	assert.Equal(t, "require", os.Getenv("PGCHANNELBINDING"), "a tool that is run has it still")
	_, err = ParseDSN("postgres://app@db/shop")
	assert.ErrorContains(t, err, "channel_binding=require")
	d, err = ParseDSN("postgres://app@db/shop?channel_binding=prefer")
	require.NoError(t, err, "the URL's counts")
	assert.Empty(t, d.Ignored())
	t.Setenv("PGREQUIREAUTH", "scram-sha-256")
	_, err = ParseDSN("postgres://app@db/shop?sslmode=require")
	assert.ErrorContains(t, err, "require_auth")
}

func TestParseDSN_DotNet_Refused(t *testing.T) {
	clearPG(t)
	for _, in := range []string{"Host=db;Username=app;Password=hunter22;Database=shop", "Server=db;Port=5432;Password=hunter22"} {
		_, err := ParseDSN(in)
		assert.ErrorContains(t, err, "write postgres://")
		assert.NotContains(t, err.Error(), "hunter22")
	}
}
