package pgtest

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// Major returns the major version of d's server, for behavior and messages that depend on it.
func (d *Database) Major(t testing.TB) int {
	t.Helper()
	number, err := strconv.Atoi(d.Value(t, "SELECT current_setting('server_version_num')::int / 10000"))
	require.NoError(t, err)
	return number
}

// Major returns the major version of the test binary's own server.
func Major(t testing.TB) int {
	t.Helper()
	require.NotNil(t, server, "the package's TestMain must call pgtest.Main")
	db := open(t, server.keywords(superuser, password, "postgres"))
	defer db.Close()
	d := &Database{admin: db}
	return d.Major(t)
}
