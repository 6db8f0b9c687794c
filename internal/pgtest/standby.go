package pgtest

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// Standby starts a server that follows the test binary's one, and returns d as
// found there. It stops when the test ends.
func (d *Database) Standby(t testing.TB) *Database {
	t.Helper()
	data := filepath.Join(programs.dir, fmt.Sprint("standby", counter.Add(1)))
	require.NoError(t, program("pg_basebackup", "-D", data, "-R", "-X", "stream", "--checkpoint=fast", "--no-sync",
		"-h", host, "-p", fmt.Sprint(server.port), "-U", superuser))
	s, err := launch(data)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.stop()) })
	copied := *d
	copied.Port = s.port
	return &copied
}
