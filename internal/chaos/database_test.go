package chaos

import (
	"database/sql"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/lib/pq"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/pgtest"
)

// place is an empty database and how to reach it.
type database struct {
	addr, owner, url string
	admin            *sql.DB
	server           *server // nil: shared with others, so not to be restarted
}

// newPlace makes a database on the package's server, or on s.
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

// grantAppRole lets the owner SET ROLE, and that role work on the owner's tables. It
// waits for others that do the same: a role belongs to the whole server.
func (p *database) grantAppRole(t *testing.T) {
	t.Helper()
	owner := pq.QuoteIdentifier(p.owner)
	_, err := p.admin.Exec(fmt.Sprintf(`BEGIN; SELECT pg_advisory_xact_lock(1);
		DO $$ BEGIN IF to_regrole('%[1]s') IS NULL THEN CREATE ROLE %[1]s; END IF; END $$;
		GRANT %[1]s TO %[2]s; GRANT ALL ON SCHEMA public TO %[1]s;
		ALTER DEFAULT PRIVILEGES FOR ROLE %[2]s GRANT ALL ON TABLES TO %[1]s; COMMIT`, appRole, owner))
	require.NoError(t, err)
}

// through is the database's URL by way of a proxy.
func (p *database) urlThrough(t *testing.T, x *proxy) string {
	t.Helper()
	u, err := url.Parse(p.url)
	require.NoError(t, err)
	u.Host = x.addr()
	return u.String()
}

// value is the single value of a query, as text; NULL and no row are "".
func (p *database) value(query string, args ...any) (string, error) {
	var v sql.NullString
	err := p.admin.QueryRow(query, args...).Scan(&v)
	if err == sql.ErrNoRows {
		err = nil
	}
	return v.String, err
}

// quiet waits until the server answers and no session of a tool is left.
func (p *database) waitUntilIdle(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool {
		n, err := p.value(`SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND usename = $1`, p.owner)
		return err == nil && n == "0"
	}, 2*time.Minute, 10*time.Millisecond, "a tool's session is still there, or the server is not")
}

// list is the first column of a query's rows.
func (p *database) list(query string, args ...any) ([]string, error) {
	joined, err := p.value("SELECT string_agg(x, ' ') FROM ("+query+") AS q(x)", args...)
	return strings.Fields(joined), err
}

// transaction is how long the application's transactions are.
const transaction = 30 * time.Millisecond

// application is somebody else's work in the database until the test ends: one
// transaction after the other, each with a snapshot, for which a concurrent index
// build has to wait. So it can be struck while it does.
func (p *database) startApplication(t *testing.T) {
	t.Helper()
	stop, stopped := make(chan struct{}), make(chan struct{})
	work := fmt.Sprintf("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1; SELECT pg_sleep(%.3f); COMMIT", transaction.Seconds())
	go func() {
		defer close(stopped)
		for {
			if _, err := p.admin.Exec(work); err != nil {
				// The server is being restarted. There is nothing to wait for, and no hurry.
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
