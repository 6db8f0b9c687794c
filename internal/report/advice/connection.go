package advice

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"syscall"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"

	"github.com/shiplock/shiplock/internal/config/credentials"
	"github.com/shiplock/shiplock/internal/postgres"
	"github.com/shiplock/shiplock/internal/postgres/wire"
	"github.com/shiplock/shiplock/internal/servermessage"
)

// Connection returns the next step after a new connection failed. waitFlag is the flag that limits
// the wait for the database.
func Connection(err error, waitFlag string) string {
	var secret *credentials.Error
	if errors.As(err, &secret) {
		return Secret(secret, waitFlag)
	}
	if name, byPooler := servermessage.RefusedParameter(err); byPooler {
		return "add " + name + " to ignore_startup_parameters of the pooler (PgBouncer), or remove it from the database URL or the PG* variables;\n" +
			"to keep the setting, run: ALTER ROLE … SET " + name + " = …, or connect the migrator directly to PostgreSQL"
	} else if name != "" {
		return "remove " + name + " from the database URL, or correct its name: PostgreSQL has no such setting (docs/guides/connection.md lists the parameters)"
	}
	var server *pq.Error
	if errors.As(err, &server) {
		switch server.Code {
		case pqerror.InvalidPassword:
			return "correct the password or the user in DATABASE_URL, PGPASSWORD or the password file; in Kubernetes, in the Secret that holds it"
		case pqerror.InvalidAuthorizationSpecification:
			return "allow this user in pg_hba.conf, or connect as another user (and check sslmode)"
		case pqerror.InvalidCatalogName:
			return fmt.Sprintf("correct the database name in the URL (or PGDATABASE), or run as an administrator: %s;", createDatabase(server))
		case pqerror.TooManyConnections:
			return connectionLimitAdvice(server)
		case pqerror.CannotConnectNow:
			return "wait until the server has started or recovered (its log shows the progress), or raise " + waitFlag
		}
		return "see the server log for details"
	}
	var unsupported *postgres.UnsupportedServerError
	var dns *net.DNSError
	switch {
	case errors.As(err, &unsupported) && unsupported.TooOld:
		return fmt.Sprintf("upgrade the server to PostgreSQL %d or newer, or correct the database URL; until then, golang-migrate applies the same files", postgres.MinMajor)
	case errors.As(err, &unsupported):
		return "correct the database URL, or use a migration tool that supports this database; the migrator relies on PostgreSQL's advisory locks, DDL in transactions, and system catalogs"
	case errors.As(err, &dns):
		return fmt.Sprintf("correct the host name %q, or raise %s if its service is still being created", dns.Name, waitFlag)
	case errors.Is(err, syscall.ECONNREFUSED):
		return "check the host, the port, and that the server is running; raise " + waitFlag + " if it starts slowly"
	case errors.Is(err, pq.ErrSSLNotSupported):
		return "set sslmode=disable if the network is trusted: the server does not support TLS"
	case errors.Is(err, postgres.ErrStandby):
		return "connect to the primary; with several hosts, target_session_attrs=read-write selects it"
	case errors.Is(err, wire.ErrNotPostgres):
		return "check the host and port: another service is listening there"
	}
	if advice := certificateAdvice(err); advice != "" {
		return advice
	}
	return "check the host, the port, network policies, and that the server is running"
}

func createDatabase(e *pq.Error) string { return "CREATE DATABASE" + nameAfterSpace(e) }

// connectionLimitAdvice returns the advice for the connection limit that the server's
// message names: that of the role, the database or the server.
func connectionLimitAdvice(e *pq.Error) string {
	const list = "list the connections: SELECT usename, application_name, count(*) FROM pg_stat_activity GROUP BY 1, 2 ORDER BY 3 DESC;\n"
	switch scope, name := servermessage.ConnectionLimit(e); scope {
	case servermessage.RoleLimit:
		return list + "close some, or raise the role's limit: ALTER ROLE " + pq.QuoteIdentifier(name) + " CONNECTION LIMIT …;"
	case servermessage.DatabaseLimit:
		return list + "close some, or raise the database's limit: ALTER DATABASE " + pq.QuoteIdentifier(name) + " CONNECTION LIMIT …;"
	}
	return list + "close some (use smaller pools in the application), or raise max_connections and restart the server; then run it again"
}

// certificateAdvice returns the next step after a TLS handshake failed, or "" for other errors.
func certificateAdvice(err error) string {
	var (
		authority x509.UnknownAuthorityError
		name      x509.HostnameError
		invalid   x509.CertificateInvalidError
		file      *fs.PathError
	)
	switch {
	case errors.As(err, &authority):
		return "set sslrootcert=FILE to the CA that signed the server's certificate; without it, the system's CAs are used"
	case errors.As(err, &name):
		return "connect with a host name that is in the server's certificate, or add this one to the certificate"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "renew the server's certificate, or correct this machine's clock"
	case errors.As(err, &file):
		return "correct the path, or mount the file there: sslrootcert, sslcert and sslkey are paths on the migrator's machine"
	case servermessage.IsNotPEM(err):
		return "set sslrootcert to a file of PEM certificates, each between BEGIN CERTIFICATE and END CERTIFICATE"
	case servermessage.IsCertificateError(err):
		return "correct the server's certificate; sslrootcert names the trusted CA"
	}
	return ""
}

// Secret returns the next step after a password could not be read. waitFlag is the flag that limits
// the wait for its file.
func Secret(e *credentials.Error, waitFlag string) string {
	if e.Awaited {
		return e.Next + "; the migrator waits for a file that is written while the pod starts (" + waitFlag + ")"
	}
	return e.Next
}
