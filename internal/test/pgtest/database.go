package pgtest

import (
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/lib/pq"
	"github.com/stretchr/testify/require"
)

var counter atomic.Int64

// A Database is an empty database. Its owner is a role of its own, without superuser privileges. It is
// dropped when the test ends.
type Database struct {
	Name, User, Password string
	Host                 string
	Port                 int

	admin  *sql.DB
	server *instance
}

// New creates a database for t.
func New(t testing.TB) *Database {
	t.Helper()
	return Named(t, nextName())
}

// nextName returns an unused name. It has a space, so that quoting is always tested.
func nextName() string { return fmt.Sprintf("test %d", counter.Add(1)) }

// Named creates a database with a name for t. Concurrent tests need different names.
func Named(t testing.TB, name string) *Database {
	t.Helper()
	require.NotNil(t, server, "the package's TestMain must call pgtest.Main")
	// go test reuses a cached result unless a variable has changed that a test reads; it does not see that Main reads this one.
	_ = os.Getenv(majorVariable)
	return server.newDatabase(t, name)
}

func (s *instance) newDatabase(t testing.TB, name string) *Database {
	t.Helper()
	d := &Database{
		Name: name, User: name + " owner", Password: "s3cret @/:?#% '\\",
		Host: host, Port: s.port, server: s,
	}
	cluster := open(t, s.keywords(superuser, password, "postgres"))
	mustExec(t, cluster, fmt.Sprintf("CREATE ROLE %s LOGIN PASSWORD %s", pq.QuoteIdentifier(d.User), pq.QuoteLiteral(d.Password)))
	mustExec(t, cluster, fmt.Sprintf("CREATE DATABASE %s OWNER %s", pq.QuoteIdentifier(d.Name), pq.QuoteIdentifier(d.User)))
	d.admin = open(t, s.keywords(superuser, password, d.Name))
	mustExec(t, d.admin, "GRANT ALL ON SCHEMA public TO "+pq.QuoteIdentifier(d.User)) // as by default before PostgreSQL 15
	t.Cleanup(func() {
		_ = d.admin.Close()
		mustExec(t, cluster, fmt.Sprintf("DROP DATABASE %s WITH (FORCE)", pq.QuoteIdentifier(d.Name)))
		mustExec(t, cluster, "DROP ROLE "+pq.QuoteIdentifier(d.User))
		_ = cluster.Close()
	})
	return d.record(t)
}

// URL returns the owner's connection URL, percent-encoded.
func (d *Database) URL() string {
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(d.User, d.Password),
		Host: fmt.Sprintf("%s:%d", d.Host, d.Port), Path: "/" + d.Name, RawQuery: "sslmode=disable",
	}
	return u.String()
}

// Admin returns the superuser's connection pool to this database.
func (d *Database) Admin() *sql.DB { return d.admin }

// Open returns a connection pool as the owner. It is closed when the test ends.
func (d *Database) Open(t testing.TB) *sql.DB {
	t.Helper()
	db := open(t, d.server.keywords(d.User, d.Password, d.Name))
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// Exec runs SQL as the superuser.
func (d *Database) Exec(t testing.TB, query string) {
	t.Helper()
	mustExec(t, d.admin, query)
}

// Value returns the single value of a query, as text; NULL and no row are "".
func (d *Database) Value(t testing.TB, query string, args ...any) string {
	t.Helper()
	var v sql.NullString
	err := d.admin.QueryRow(query, args...).Scan(&v)
	if err != sql.ErrNoRows {
		require.NoError(t, err, query)
	}
	return v.String
}

func open(t testing.TB, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open("postgres", dsn)
	require.NoError(t, err)
	return db
}

func mustExec(t testing.TB, db *sql.DB, query string) {
	t.Helper()
	_, err := db.Exec(query)
	require.NoError(t, err, query)
}

var created struct {
	sync.Mutex
	by map[testing.TB][]*Database
}

// Databases returns the databases that t has created and not dropped.
func Databases(t testing.TB) []*Database {
	created.Lock()
	defer created.Unlock()
	return append([]*Database(nil), created.by[t]...)
}

func (d *Database) record(t testing.TB) *Database {
	created.Lock()
	defer created.Unlock()
	if created.by == nil {
		created.by = map[testing.TB][]*Database{}
	}
	created.by[t] = append(created.by[t], d)
	t.Cleanup(func() {
		created.Lock()
		defer created.Unlock()
		delete(created.by, t)
	})
	return d
}
