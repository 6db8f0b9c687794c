package dsn

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/test/pgtest"
)

func TestParseDSN_OtherProgramsParameters_Ignored(t *testing.T) {
	pgtest.UnsetVariables(t)
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
		d, err := Parse("postgres://app@db/shop?" + query)
		require.NoError(t, err, query)
		assert.Equal(t, ignored, strings.Join(d.Ignored(), ", "), query)
		assert.Empty(t, d.cfg.Runtime, query)
	}
	d, err := Parse("postgres://app@db/shop?search_path=shop&TimeZone=UTC&statement_timeout=5")
	require.NoError(t, err)
	assert.Len(t, d.cfg.Runtime, 3, "settings of the server stay")
}

func TestParseDSN_OtherProgramsParameters_Refused(t *testing.T) {
	pgtest.UnsetVariables(t)
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
		_, err := Parse("postgres://app:hunter22@db/shop?" + query)
		require.Error(t, err, query)
		for _, w := range want {
			assert.Contains(t, err.Error(), w, query)
		}
		assert.NotContains(t, err.Error(), "hunter22")
	}
}
