package faultinjection

import (
	"database/sql"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/lib/pq"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/test/pgtest"
)

// A database is an empty database and its connection settings.
type database struct {
	addr, owner, url string
	admin            *sql.DB
	server           *server // nil: shared with other rounds, so it must not restart
}

// newDatabase creates a database on s, or on the package's server if s is nil.
func newDatabase(t *testing.T, s *server) *database {
	t.Helper()
	var p *database
	if s != nil {
		p = s.database(t)
	} else {
		d := pgtest.New(t)
		p = &database{addr: fmt.Sprintf("%s:%d", d.Host, d.Port), owner: d.User, url: d.URL(), admin: d.Admin()}
	}
	p.grantAppRole(t)
	return p
}

// grantAppRole lets the owner SET ROLE to appRole, and lets that role use the owner's tables.
// A role belongs to the whole server, so a concurrent round may create it first. An advisory lock
// cannot prevent that: it belongs to one database.
func (p *database) grantAppRole(t *testing.T) {
	t.Helper()
	owner := pq.QuoteIdentifier(p.owner)
	_, err := p.admin.Exec(fmt.Sprintf(`BEGIN;
		DO $$ BEGIN CREATE ROLE %[1]s; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$;
		GRANT %[1]s TO %[2]s; GRANT ALL ON SCHEMA public TO %[1]s;
		ALTER DEFAULT PRIVILEGES FOR ROLE %[2]s GRANT ALL ON TABLES TO %[1]s; COMMIT`, appRole, owner))
	require.NoError(t, err)
}

// urlThrough returns the database's URL through a proxy.
func (p *database) urlThrough(t *testing.T, x *proxy) string {
	t.Helper()
	u, err := url.Parse(p.url)
	require.NoError(t, err)
	u.Host = x.Address()
	return u.String()
}

// value returns the single value of a query as text; NULL and no row are "".
func (p *database) value(query string, args ...any) (string, error) {
	var v sql.NullString
	err := p.admin.QueryRow(query, args...).Scan(&v)
	if err == sql.ErrNoRows {
		err = nil
	}
	return v.String, err
}

// waitUntilIdle waits until the server answers and has no session of a tool.
func (p *database) waitUntilIdle(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool {
		n, err := p.value(`SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND usename = $1`, p.owner)
		return err == nil && n == "0"
	}, 2*time.Minute, 10*time.Millisecond, "a tool still has a session, or the server does not answer")
}

// list returns the first column of a query's rows.
func (p *database) list(query string, args ...any) ([]string, error) {
	joined, err := p.value("SELECT string_agg(x, ' ') FROM ("+query+") AS q(x)", args...)
	return strings.Fields(joined), err
}

// transaction is the duration of the application's transactions.
const transaction = 30 * time.Millisecond

// startApplication runs transactions in the database until the test ends. Each has a
// snapshot that a concurrent index build waits for, so that a fault can interrupt the wait.
func (p *database) startApplication(t *testing.T) {
	t.Helper()
	stop, stopped := make(chan struct{}), make(chan struct{})
	work := fmt.Sprintf("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1; SELECT pg_sleep(%.3f); COMMIT", transaction.Seconds())
	go func() {
		defer close(stopped)
		for {
			if _, err := p.admin.Exec(work); err != nil {
				// The server is restarting.
				select {
				case <-stop:
				case <-time.After(transaction):
				}
			}
			select {
			case <-stop:
				return
			default:
			}
		}
	}()
	t.Cleanup(func() { close(stop); <-stopped })
}
