package config

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"

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
	"oauth_issuer":        {refuse: "use a password, or a token from --password-command"},
	"oauth_client_id":     {refuse: "use a password, or a token from --password-command"},
	"oauth_client_secret": {refuse: "use a password, or a token from --password-command"},
	"oauth_scope":         {refuse: "use a password, or a token from --password-command"},
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
				return nil, usage("the database settings have %s: golang-migrate's parameters are supported only in a URL", name)
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
				return nil, usage("invalid channel_binding in the database URL; want disable, prefer or require")
			}
			if cfg.SSLMode != pq.SSLModeRequire && cfg.SSLMode != pq.SSLModeVerifyCA && cfg.SSLMode != pq.SSLModeVerifyFull {
				return nil, usage("channel_binding=require in the database URL needs TLS: add sslmode=verify-full, or sslmode=require")
			}
			warnings = append(warnings, "channel_binding (the migrator does not support channel binding: sslmode=verify-full with a CA protects against the same attack)")
		case r.refuse != "":
			return nil, usage("the database URL (or a PG* variable) has %s, a parameter of %s that the migrator does not support: %s", name, r.owner, r.refuse)
		default:
			warnings = append(warnings, name+" ("+r.owner+")")
		}
	}
	return warnings, nil
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

// checkVariables checks the libpq variables whose values come from Secrets.
func checkVariables(getenv func(string) string) error {
	for _, name := range []string{"PGHOST", "PGPORT", "PGUSER", "PGDATABASE", "PGPASSWORD"} {
		value := getenv(name)
		if problem := malformed(value, name != "PGPASSWORD"); problem != "" {
			return usage("%s %s", name, problem)
		}
	}
	return nil
}

// libpqVariables maps the variables of libpq that lib/pq always rejects to the corresponding
// parameters.
var libpqVariables = map[string]string{
	"PGCHANNELBINDING": "channel_binding", "PGGSSENCMODE": "gssencmode", "PGGSSDELEGATION": "gssdelegation", "PGGSSLIB": "gsslib",
	"PGREQUIREAUTH": "require_auth", "PGREQUIREPEER": "requirepeer", "PGREQUIRESSL": "requiressl", "PGSSLCOMPRESSION": "sslcompression",
	"PGSSLCERTMODE": "sslcertmode", "PGSSLCRL": "sslcrl", "PGSSLCRLDIR": "sslcrldir",
}

var environment sync.Mutex

// newConfig is pq.NewConfig, except that it converts the libpqVariables to parameters unless
// s has them. It changes the environment of the process, because lib/pq reads no other.
func newConfig(s string) (pq.Config, error) {
	environment.Lock()
	defer environment.Unlock()
	given := map[string]string{}
	for name, parameter := range libpqVariables {
		if value, set := os.LookupEnv(name); set {
			_ = os.Unsetenv(name)
			defer func() { _ = os.Setenv(name, value) }()
			if value != "" {
				given[parameter] = value
			}
		}
	}
	cfg, err := pq.NewConfig(s)
	if err != nil {
		return cfg, err
	}
	for parameter, value := range given {
		if _, inURL := cfg.Runtime[parameter]; !inURL {
			if cfg.Runtime == nil {
				cfg.Runtime = map[string]string{}
			}
			cfg.Runtime[parameter] = value
		}
	}
	return cfg, nil
}

// dotNet matches a .NET connection string, whose parts are separated by semicolons.
var dotNet = regexp.MustCompile(`(?i)^\s*(host|server|data source|username|user id|database|port)\s*=[^;]*;`)
