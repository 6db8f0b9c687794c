package dsn

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/lib/pq"
)

// A parameterRule defines how to handle a parameter that neither PostgreSQL nor lib/pq supports.
type parameterRule struct {
	owner string // the program that the parameter belongs to
	// accept lists the values that match the behavior of the migrator.
	accept []string
	// refuse is the advice if another value is not supported; if it is empty, the parameter
	// is ignored with a warning.
	refuse string
	token  bool // see ParameterError
}

// A ParameterError reports a parameter of another program that the migrator does not support.
type ParameterError struct {
	Name   string
	Owner  string // the program that the parameter belongs to
	Advice string // what to use instead
	// Token reports whether a token from a password command can be used as well.
	Token bool
}

func (e *ParameterError) Error() string {
	return fmt.Sprintf("the database URL (or a PG* variable) has %s, a parameter of %s that the migrator does not support: %s", e.Name, e.Owner, e.Advice)
}

// libpqRules are the parameters of libpq (PostgreSQL 18) that lib/pq does not support.
// Parameters that protect a connection are applied or refused, but not ignored, except for
// channel_binding, which is handled separately.
var libpqRules = map[string]parameterRule{
	"channel_binding": {accept: []string{"disable", "prefer"}},
	"gssencmode":      {accept: []string{"disable", "prefer"}, refuse: "remove it: the migrator does not support GSSAPI encryption; use sslmode=verify-full"},
	"require_auth":    {refuse: "remove it: the migrator cannot restrict the authentication method; let pg_hba.conf require it, and use sslmode=verify-full"},
	"sslcrl":          {refuse: "remove it: the migrator does not read certificate revocation lists"},
	"sslcrldir":       {refuse: "remove it: the migrator does not read certificate revocation lists"},
	"sslcertmode":     {accept: []string{"allow"}, refuse: "remove it: the migrator sends a client certificate if sslcert names one and the server asks for it"},
	"sslpassword":     {refuse: "decrypt the sslkey file (openssl pkey -in KEY -out NEW), and remove sslpassword"},
	"requirepeer":     {refuse: "remove it: the migrator does not check the user of a server on a Unix socket"},
	"requiressl":      {accept: []string{"0"}, refuse: "write sslmode=require"},
	"replication":     {accept: []string{"false", "off", "no", "0"}, refuse: "remove it: migrations need an ordinary connection"},

	"scram_client_key":    {refuse: "use a password"},
	"scram_server_key":    {refuse: "use a password"},
	"oauth_issuer":        {refuse: "use a password", token: true},
	"oauth_client_id":     {refuse: "use a password", token: true},
	"oauth_client_secret": {refuse: "use a password", token: true},
	"oauth_scope":         {refuse: "use a password", token: true},
	"servicefile":         {refuse: "set the variable PGSERVICEFILE"},

	"keepalives": {}, "keepalives_idle": {}, "keepalives_interval": {}, "keepalives_count": {}, "tcp_user_timeout": {},
	"sslcompression": {accept: []string{"0"}}, "sslkeylogfile": {}, "gsslib": {}, "gssdelegation": {}, "authtype": {}, "tty": {},
}

// otherRules are the parameters of other programs, by their exact names. Those that only
// tune the connections of the other program are ignored.
var otherRules = map[string]parameterRule{
	"schema":         {owner: "Prisma", accept: []string{"public"}, refuse: "write search_path=SCHEMA"},
	"sslaccept":      {owner: "Prisma", accept: []string{"accept_invalid_certs"}, refuse: "write sslmode=verify-full"},
	"sslidentity":    {owner: "Prisma", refuse: "write sslcert and sslkey, each with a file in PEM"},
	"currentSchema":  {owner: "JDBC", refuse: "write search_path=SCHEMA"},
	"ssl":            {owner: "JDBC, node-postgres or asyncpg", accept: []string{"false", "0", "disable"}, refuse: "write sslmode=require, or sslmode=verify-full with sslrootcert"},
	"sslfactory":     {owner: "JDBC", refuse: "write sslmode=require, or sslmode=verify-full with sslrootcert"},
	"gssEncMode":     {owner: "JDBC", accept: []string{"disable", "allow", "prefer"}, refuse: "remove it, and use sslmode=verify-full"},
	"channelBinding": {owner: "JDBC", accept: []string{"disable", "prefer"}, refuse: "remove it, and use sslmode=verify-full"},
	"requireAuth":    {owner: "JDBC", refuse: "remove it, and use sslmode=verify-full"},

	"targetServerType":   {owner: "JDBC", accept: []string{"any"}, refuse: "write target_session_attrs=primary"},
	"schema_search_path": {owner: "Rails", refuse: "write search_path=SCHEMA"},
	"server_settings":    {owner: "asyncpg", refuse: "write each setting as a parameter of its own"},
}

func init() {
	for owner, names := range map[string]string{
		"Prisma": "connection_limit pool_timeout pgbouncer socket_timeout statement_cache_size single_use_connections",
		"pgx": "pool_max_conns pool_min_conns pool_min_idle_conns pool_max_conn_lifetime pool_max_conn_lifetime_jitter pool_max_conn_idle_time " +
			"pool_health_check_period default_query_exec_mode statement_cache_capacity description_cache_capacity statement_cache_mode prefer_simple_protocol",
		"JDBC": "reWriteBatchedInserts prepareThreshold preparedStatementCacheQueries preparedStatementCacheSizeMiB ApplicationName loginTimeout socketTimeout " +
			"connectTimeout cancelSignalTimeout tcpKeepAlive tcpNoDelay stringtype loadBalanceHosts readOnly readOnlyMode defaultRowFetchSize binaryTransfer " +
			"autosave cleanupSavepoints preferQueryMode hostRecheckSeconds logUnclosedConnections assumeMinServerVersion disableColumnSanitiser " +
			"escapeSyntaxCallMode databaseMetadataCacheFields adaptiveFetch sendBufferSize receiveBufferSize groupStartupParameters",
		"SQLAlchemy, asyncpg or Django": "prepared_statement_cache_size prepared_statement_name_func async_fallback command_timeout max_cacheable_statement_size " +
			"max_cached_statement_lifetime executemany_mode conn_max_age conn_health_checks use_native_hstore pool_size max_overflow pool_recycle pool_pre_ping",
		"node-postgres": "max idleTimeoutMillis connectionTimeoutMillis query_timeout uselibpqcompat keepAlive allowExitOnIdle maxUses binary",
		"Rails":         "pool reaping_frequency checkout_timeout prepared_statements encoding adapter advisory_locks idle_timeout min_messages max_connections",
		"Supabase":      "supa workaround",
	} {
		for _, name := range strings.Fields(names) {
			otherRules[name] = parameterRule{owner: owner}
		}
	}
}

// takeUnsupported removes the parameters that would be sent to the server as unknown
// settings. It returns those to warn about.
func takeUnsupported(cfg *pq.Config) (warnings []string, err error) {
	for _, name := range slices.Sorted(maps.Keys(cfg.Runtime)) {
		value := cfg.Runtime[name]
		r, known := libpqRules[name]
		if known {
			r.owner = "libpq"
		} else if r, known = otherRules[name]; !known {
			if strings.HasPrefix(name, "x-") {
				return nil, fmt.Errorf("the database settings have %s: golang-migrate's parameters are supported only in a URL", name)
			}
			continue
		}
		delete(cfg.Runtime, name)
		switch {
		case slices.Contains(r.accept, strings.ToLower(value)):
			if r.owner != "libpq" {
				warnings = append(warnings, name+" ("+r.owner+")")
			}
		case name == "channel_binding":
			if value != "require" {
				return nil, errors.New("invalid channel_binding in the database URL; want disable, prefer or require")
			}
			if cfg.SSLMode != pq.SSLModeRequire && cfg.SSLMode != pq.SSLModeVerifyCA && cfg.SSLMode != pq.SSLModeVerifyFull {
				return nil, errors.New("channel_binding=require in the database URL needs TLS: add sslmode=verify-full, or sslmode=require")
			}
			warnings = append(warnings, "channel_binding (the migrator does not support channel binding: sslmode=verify-full with a CA protects against the same attack)")
		case r.refuse != "":
			return nil, &ParameterError{Name: name, Owner: r.owner, Advice: r.refuse, Token: r.token}
		default:
			warnings = append(warnings, name+" ("+r.owner+")")
		}
	}
	return warnings, nil
}
