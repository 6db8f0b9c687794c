package cli_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/cli"
	"github.com/shiplock/shiplock/internal/test/fixture"
	"github.com/shiplock/shiplock/internal/test/pgtest"
	"github.com/shiplock/shiplock/internal/test/tcp"
)

// TestUp_ServerBehindPoolerNotReady_Waits covers errors that PgBouncer reports as 08P01.
func TestUp_ServerBehindPoolerNotReady_Waits(t *testing.T) {
	t.Parallel()
	dir := fixture.FileMap(t, map[string]string{"1_a.up.sql": "CREATE TABLE a (n int);"})
	for name, behind := range map[string]func() *pgtest.Database{
		"starting": func() *pgtest.Database { return pgtest.New(t).Starting(t) },
		"nothing listens": func() *pgtest.Database {
			there := *pgtest.New(t)
			there.Port = 1
			return &there
		},
	} {
		for _, mode := range []string{"session", "transaction"} {
			t.Run(name+" "+mode, func(t *testing.T) {
				t.Parallel()
				d := behind().Pooled(t, mode, "server_login_retry = 1", "client_login_timeout = 1", "server_connect_timeout = 1")
				out := call(t.Context(), "up", "--source", dir, "--database-url", d.URL(), "--wait-for-db", "3s")
				assert.Equal(t, 3, out.code, out.err)
				assert.Regexp(t, `tried +\d+ times in [\d.]+s \(--wait-for-db\)`, out.err)
				assert.NotRegexp(t, `tried +1 time`, out.err)
			})
		}
	}
	t.Run("comes later", func(t *testing.T) {
		t.Parallel()
		d := pgtest.New(t)
		free, err := pgtest.FreePort()
		require.NoError(t, err)
		there := *d
		there.Port = free
		pooled := there.Pooled(t, "transaction", "server_login_retry = 1", "client_login_timeout = 1", "server_connect_timeout = 1")
		var log fixture.Log
		code := make(chan int, 1)
		go func() {
			code <- cli.Program{Stdout: &log, Stderr: &log}.Run(context.WithoutCancel(t.Context()), []string{"up", "--source", dir, "--database-url", pooled.URL(), "--wait-for-db", "2m"})
		}()
		log.Wait(t, "waiting for the database")
		tcp.NewProxy(t, tcp.Options{Address: fmt.Sprintf("127.0.0.1:%d", free), Upstream: tcp.Upstream(fmt.Sprintf("%s:%d", d.Host, d.Port))})
		assert.Zero(t, <-code, &log)
		assert.Equal(t, "1", d.Value(t, "SELECT version FROM schema_migrations"))
	})
}

// TestUp_PoolerRefuses_FailsAtOnce covers errors that waiting does not resolve.
func TestUp_PoolerRefuses_FailsAtOnce(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	dir := fixture.FileMap(t, map[string]string{"1_a.up.sql": "CREATE TABLE a (n int);"})
	pooled := d.Pooled(t, "transaction").URL()
	up := func(url string) outcome {
		return call(t.Context(), "up", "--source", dir, "--database-url", url, "--wait-for-db", "5m")
	}
	out := up(pooled + "&work_mem=64MB")
	assert.Equal(t, 2, out.code, out.err)
	assert.Contains(t, out.err, "add work_mem to ignore_startup_parameters")
	golden(t, "pooler-parameter", out.err)

	out = up(strings.Replace(pooled, "?", "-gone?", 1))
	assert.Equal(t, 2, out.code, out.err)
	assert.Contains(t, out.err, "does not exist")

	out = up(d.URL() + "&pool_size_of_mine=5")
	assert.Equal(t, 2, out.code, out.err)
	assert.Contains(t, out.err, "remove pool_size_of_mine from the database URL")
}
