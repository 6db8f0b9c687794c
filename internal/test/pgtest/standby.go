package pgtest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Standby starts a standby of the test binary's server and returns d on it. It stops when the test
// ends.
func (d *Database) Standby(t testing.TB) *Database {
	t.Helper()
	copied := *d
	copied.Port = copyOf(t, d, nothing, "-R").port
	return &copied
}

// A Pair is a primary and its standby for one test, which may do what the shared server does not
// permit.
type Pair struct {
	Primary, Standby *Database
	primary          *instance
}

// Pair starts a copy of d's server and a standby of the copy. They stop when the test ends.
func (d *Database) Pair(t testing.TB) *Pair {
	t.Helper()
	p := &Pair{primary: copyOf(t, d, nothing)}
	p.Primary = p.primary.database(t, d)
	p.Standby = copyOf(t, p.Primary, nothing, "-R").database(t, d)
	return p
}

// Follow waits until the standby has replayed all of the primary's WAL.
func (p *Pair) Follow(t testing.TB) {
	t.Helper()
	lsn := p.Primary.Value(t, "SELECT pg_current_wal_insert_lsn()")
	require.Eventually(t, func() bool {
		return p.Standby.Value(t, "SELECT pg_last_wal_replay_lsn() >= $1::pg_lsn", lsn) == "true"
	}, startTimeout, 10*time.Millisecond)
}

// Leave stops the replication. The standby does not get the primary's further changes.
func (p *Pair) Leave(t testing.TB) {
	t.Helper()
	p.Standby.Exec(t, "ALTER SYSTEM SET primary_conninfo = ''")
	p.Standby.Exec(t, "SELECT pg_reload_conf()")
	require.Eventually(t, func() bool {
		return p.Standby.Value(t, "SELECT count(*) FROM pg_stat_wal_receiver") == "0"
	}, startTimeout, 10*time.Millisecond)
}

// Crash ends the primary without a shutdown, as in a failure of its machine.
func (p *Pair) Crash(t testing.TB) {
	t.Helper()
	require.NoError(t, p.primary.stop())
	p.primary.cmd = nil
}

// Promote promotes the standby to primary.
func (p *Pair) Promote(t testing.TB) {
	t.Helper()
	require.Equal(t, "true", p.Standby.Value(t, "SELECT pg_promote(true, 60)"))
}

// URL returns the URL of both servers, with the original primary first.
func (p *Pair) URL() string {
	address := func(d *Database) string { return fmt.Sprintf("%s:%d", d.Host, d.Port) }
	return strings.Replace(p.Primary.URL(), address(p.Primary), address(p.Primary)+","+address(p.Standby), 1)
}

// copyOf starts a server on a copy of d's data folder, which prepare may change first.
func copyOf(t testing.TB, d *Database, prepare func(data string) error, options ...string) *instance {
	t.Helper()
	data := copyData(t, d, options...)
	require.NoError(t, prepare(data))
	return startServer(t, data, isUp)
}

// copyData returns a copy of the data folder of d's server.
func copyData(t testing.TB, d *Database, options ...string) string {
	t.Helper()
	require.Equal(t, Major(t), d.Major(t), "a copy is started with the programs of the test binary's own server")
	data := filepath.Join(programs.dir, fmt.Sprint("copy", counter.Add(1)))
	basebackup := filepath.Join(programs.bin, "pg_basebackup")
	if _, err := os.Stat(basebackup); errors.Is(err, os.ErrNotExist) {
		copyFiles(t, d, data, slices.Contains(options, "-R"))
		return data
	}
	require.NoError(t, program(basebackup, append(options, "-D", data, "-X", "stream", "--checkpoint=fast", "--no-sync",
		"-h", d.Host, "-p", fmt.Sprint(d.Port), "-U", superuser)...))
	return data
}

func startServer(t testing.TB, data string, up func(error) bool) *instance {
	t.Helper()
	s, err := launch(programs.bin, data, up)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.stop()) })
	return s
}

func nothing(string) error { return nil }

// database returns d on s, with a superuser's pool.
func (s *instance) database(t testing.TB, d *Database) *Database {
	t.Helper()
	copied := *d
	copied.Port, copied.server, copied.admin = s.port, s, open(t, s.keywords(superuser, password, d.Name))
	t.Cleanup(func() { _ = copied.admin.Close() })
	return copied.record(t)
}
