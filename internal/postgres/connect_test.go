package postgres

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/golang-migrate/migrate/v4/database"
	stock "github.com/golang-migrate/migrate/v4/database/postgres"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/executor"
	"github.com/shiplock/shiplock/internal/history"
	"github.com/shiplock/shiplock/internal/lock"
	"github.com/shiplock/shiplock/internal/progress"
	"github.com/shiplock/shiplock/internal/test/fixture"
	"github.com/shiplock/shiplock/internal/test/pgtest"
	"github.com/shiplock/shiplock/internal/test/tcp"
)

func TestOpen_Errors_ArePermanentOrTransient(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	swap := func(old, new string) string { return strings.Replace(d.URL(), old, new, 1) }
	for _, c := range []struct {
		name, url, want string
		permanent       bool
	}{
		{"wrong password", swap("s3cret", "wrong"), "password authentication failed", true},
		{"no such role", swap("test", "missing"), "password authentication failed", true},
		{"no such database", swap("?sslmode", "-gone?sslmode"), "does not exist", true},
		{"no TLS", swap("sslmode=disable", "sslmode=require"), "SSL is not enabled", true},
		{"connection refused", swap(fmt.Sprint(":", d.Port), ":1"), "connection refused", false},
		{"no such host", swap("127.0.0.1", "no-such-host.invalid"), "no-such-host.invalid", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			require.NotEqual(t, d.URL(), c.url)
			o := executor.TestOptions(t, c.url)
			o.WaitForDB = time.Second
			start := time.Now()
			_, err := Open(t.Context(), o)
			var fail *ConnectError
			require.ErrorAs(t, err, &fail)
			assert.Contains(t, fail.Error(), c.want)
			assert.NotContains(t, fail.Error(), "s3cret")
			assert.Equal(t, c.permanent, fail.Permanent)
			if c.permanent {
				assert.Equal(t, 1, fail.Attempts)
			} else {
				assert.Greater(t, fail.Attempts, 1)
			}
			assert.Less(t, time.Since(start), time.Minute)
		})
	}
}

func TestOpen_OtherServer_IsReported(t *testing.T) {
	t.Parallel()
	for _, answer := range []string{"HTTP/1.1 400 Bad Request\r\n\r\n", "SSH-2.0-x\r\n", "R\xff\xff\xff\xff", "Nope", "-ERR unknown command\r\n"} {
		for _, mode := range []string{"disable", "prefer", "require"} {
			t.Run(answer[:4]+mode, func(t *testing.T) {
				t.Parallel()
				_, err := Open(t.Context(), executor.TestOptions(t, "postgres://u@"+tcp.Answer(t, answer)+"/d?sslmode="+mode))
				var fail *ConnectError
				require.ErrorAs(t, err, &fail)
				assert.True(t, mode != "disable" || errors.Is(err, ErrNotPostgres), "%v", err)
			})
		}
	}
}

// The address of a new Service may lead to another server at first.
func TestOpen_OtherServerAtFirst_Retries(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	other, server := tcp.Answer(t, "HTTP/1.1 400 Bad Request\r\n\r\n"), net.JoinHostPort(d.Host, strconv.Itoa(d.Port))
	proxy := tcp.NewProxy(t, tcp.Options{Upstream: func(n int) string {
		if n < 2 {
			return other
		}
		return server
	}})
	proxied := *d
	proxied.Port = proxy.Port()
	o := executor.TestOptions(t, proxied.URL())
	o.WaitForDB = time.Minute
	db, err := Open(t.Context(), o)
	require.NoError(t, err)
	require.NoError(t, db.Close())
}

func TestOpen_TooManyConnections_Retries(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	d.Exec(t, fmt.Sprintf(`ALTER ROLE %q CONNECTION LIMIT 0`, d.User)) // SQLSTATE 53300
	var log fixture.Log
	o := executor.TestOptions(t, d.URL())
	o.WaitForDB, o.Log = time.Minute, log.Logger()
	o.Progress = progress.NewLog(o.Log, executor.ShortIntervals)
	opened := make(chan error, 1)
	go func() {
		db, err := Open(t.Context(), o)
		if err == nil {
			err = db.Close()
		}
		opened <- err
	}()
	log.Wait(t, "waiting for the database")
	require.Empty(t, opened, "Open must wait")
	d.Exec(t, fmt.Sprintf(`ALTER ROLE %q CONNECTION LIMIT -1`, d.User))
	require.NoError(t, <-opened)
}

func TestOpen_Canceled_Stops(t *testing.T) {
	t.Parallel()
	o := executor.TestOptions(t, "postgres://u@127.0.0.1:1/x")
	o.WaitForDB = time.Minute
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(assert.AnError)
	_, err := Open(ctx, o)
	assert.ErrorIs(t, err, assert.AnError)
}

func TestOpen_NoSchema_Fails(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	_, err := Open(t.Context(), executor.TestOptions(t, d.URL()+"&search_path=nowhere"))
	assert.ErrorIs(t, err, history.ErrNoSchema)
}

func TestLock_Held_PollsAndReportsHolder(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	holder, waiter := executor.OpenSession(t, d), executor.OpenSession(t, d)
	require.NoError(t, holder.Lock(t.Context()))
	waiter.Opts.LockWait = 500 * time.Millisecond
	err := waiter.Lock(t.Context())
	var locked *lock.LockedError
	require.ErrorAs(t, err, &locked)
	require.NotNil(t, locked.Holder)
	assert.Equal(t, holder.Server.PID, locked.Holder.PID)
	assert.Equal(t, "shiplock", locked.Holder.Application)

	waiter.Opts.LockWait = time.Minute
	got := make(chan error, 1)
	go func() { got <- waiter.Lock(t.Context()) }()
	for range 20 { // a waiting session has no query in the server
		assert.Equal(t, "0", d.Value(t, "SELECT count(*) FROM pg_locks WHERE NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"))
	}
	require.NoError(t, holder.Unlock(t.Context()))
	require.NoError(t, <-got)
}

func TestLock_HolderTerminated_IsReleased(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	holder, waiter := executor.OpenSession(t, d), executor.OpenSession(t, d)
	require.NoError(t, holder.Lock(t.Context()))
	d.Exec(t, fmt.Sprintf("SELECT pg_terminate_backend(%d)", holder.Server.PID))
	waiter.Opts.LockWait = 10 * time.Second
	require.NoError(t, waiter.Lock(t.Context()))
}

// golangMigrateDriver returns golang-migrate's own driver, opened by URL as in its CLI.
func golangMigrateDriver(t *testing.T, d *pgtest.Database) database.Driver {
	t.Helper()
	driver, err := (&stock.Postgres{}).Open(d.URL())
	require.NoError(t, err)
	t.Cleanup(func() { _ = driver.Close() })
	return driver
}

func TestLock_GolangMigrate_IsExcluded(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	migrateDriver, db := golangMigrateDriver(t, d), executor.OpenSession(t, d)
	require.NoError(t, migrateDriver.Lock())
	var locked *lock.LockedError
	require.ErrorAs(t, db.Lock(t.Context()), &locked)
	require.NotNil(t, locked.Holder)
	assert.NotZero(t, locked.Holder.PID)
	require.NoError(t, migrateDriver.Unlock())
	require.NoError(t, db.Lock(t.Context()))

	got := make(chan error, 1)
	go func() { got <- migrateDriver.Lock() }()
	fixture.Eventually(t, d, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())", "1")
	require.NoError(t, db.Unlock(t.Context()))
	require.NoError(t, <-got)
}

func TestVersionTable_Definition_MatchesGolangMigrate(t *testing.T) {
	t.Parallel()
	describe := `SELECT string_agg(format('%s %s %s', attname, format_type(atttypid, atttypmod), attnotnull), ',' ORDER BY attnum)
		|| (SELECT string_agg(pg_get_constraintdef(oid), ',' ORDER BY contype) FROM pg_constraint WHERE conrelid = attrelid AND contype <> 'n')
		FROM pg_attribute WHERE attrelid = 'schema_migrations'::regclass AND attnum > 0 GROUP BY attrelid`
	own, expected := pgtest.New(t), pgtest.New(t)
	db := executor.OpenSession(t, own)
	require.Nil(t, executor.Apply(t, db, "SELECT 1"))
	driver := golangMigrateDriver(t, expected)
	require.NoError(t, driver.SetVersion(1, false))
	assert.Equal(t, expected.Value(t, describe), own.Value(t, describe))

	version, dirty, err := golangMigrateDriver(t, own).Version()
	require.NoError(t, err)
	assert.Equal(t, 1, version)
	assert.False(t, dirty)
	st, err := executor.OpenSession(t, expected).State(t.Context())
	require.NoError(t, err)
	assert.Equal(t, executor.VersionOne, st)

	require.NoError(t, driver.SetVersion(database.NilVersion, true))
	st, err = executor.OpenSession(t, expected).State(t.Context())
	require.NoError(t, err)
	assert.Equal(t, history.State{-1, true}, st)
}

func TestOpen_QuotedTableName_IsAccepted(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	d.Exec(t, fmt.Sprintf(`CREATE SCHEMA "My Schema" AUTHORIZATION %q`, d.User))
	o := executor.TestOptions(t, d.URL())
	o.Table = `My Schema.x"; DROP TABLE users; --`
	db, err := Open(t.Context(), o)
	require.NoError(t, err)
	defer db.Close()
	require.Nil(t, executor.Apply(t, db, "CREATE TABLE users (a int)"))
	assert.Equal(t, "1", d.Value(t, `SELECT version FROM "My Schema"."x""; DROP TABLE users; --"`))
	st, err := db.State(t.Context())
	require.NoError(t, err)
	assert.Equal(t, executor.VersionOne, st)
}

// errors.As does not recognize lib/pq's error for a connection reset during the handshake.
func TestOpen_ConnectionReset_IsTransient(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_ = c.(*net.TCPConn).SetLinger(0) // close by reset
			_ = c.Close()
		}
	}()
	for range 20 {
		o := executor.TestOptions(t, "postgres://u@"+l.Addr().String()+"/d?sslmode=disable")
		_, err := Open(t.Context(), o)
		var fail *ConnectError
		require.ErrorAs(t, err, &fail)
		assert.False(t, fail.Permanent, "%v", err)
	}
}
