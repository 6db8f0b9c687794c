package pgtest

import (
	"testing"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"
	"github.com/stretchr/testify/require"
)

// OwnServer starts a copy of d's server with additional settings, such as
// "temp_file_limit = 1MB", and returns d on it. The server stops when the test ends.
func (d *Database) OwnServer(t testing.TB, settings ...string) *Database {
	t.Helper()
	return copyOf(t, d, func(data string) error { return configure(data, settings...) }).database(t, d)
}

// Starting starts a copy of d's server whose startup never completes, and returns d on it. The
// server stops when the test ends.
func (d *Database) Starting(t testing.TB) *Database {
	t.Helper()
	data := copyData(t, d, "-R") // a standby that waits for its next WAL segment until the test binary ends
	require.NoError(t, configure(data, "restore_command = 'sleep 3600'"))
	s := startServer(t, data, func(err error) bool { return pq.As(err, pqerror.CannotConnectNow) != nil })
	copied := *d
	copied.Port = s.port
	return &copied
}
