package pgtest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"
	"github.com/stretchr/testify/require"
)

// Pooled starts a PgBouncer in front of the server and returns d through it.
// mode is its pool_mode; settings are further lines for its configuration, such as
// "default_pool_size = 1". It stops when the test ends.
func (d *Database) Pooled(t testing.TB, mode string, settings ...string) *Database {
	t.Helper()
	path, err := exec.LookPath("pgbouncer")
	if err != nil {
		path = "/usr/sbin/pgbouncer" // Debian's path, which is not in a user's PATH
		require.FileExists(t, path, "pgbouncer is not installed; on Debian: apt-get install pgbouncer")
	}
	dir := filepath.Join(programs.dir, fmt.Sprint("pgbouncer", counter.Add(1)))
	require.NoError(t, os.Mkdir(dir, 0o755))
	port, err := FreePort()
	require.NoError(t, err)
	users := fmt.Sprintf("%s %s\n%s %s\n", userlist(superuser), userlist(password), userlist(d.User), userlist(d.Password))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "users"), []byte(users), 0o644))
	config := fmt.Sprintf(`[databases]
* = host=%s port=%d
[pgbouncer]
listen_addr = %s
listen_port = %d
unix_socket_dir =
auth_type = scram-sha-256
auth_file = %s
pool_mode = %s
admin_users = %s
%s
`, d.Host, d.Port, host, port, filepath.Join(dir, "users"), mode, superuser, strings.Join(settings, "\n"))
	ini := filepath.Join(dir, "pgbouncer.ini")
	require.NoError(t, os.WriteFile(ini, []byte(config), 0o644))
	s := &instance{port: port, done: make(chan error, 1), end: syscall.SIGTERM, up: poolerIsUp}
	require.NoError(t, s.launch(path, ini))
	t.Cleanup(func() { require.NoError(t, s.stop()) })
	copied := *d
	copied.Port = port
	return &copied
}

func userlist(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }

// poolerIsUp reports whether a PgBouncer answers, be it that its server does not let it in.
func poolerIsUp(err error) bool { return isUp(err) || pq.As(err, pqerror.ProtocolViolation) != nil }
