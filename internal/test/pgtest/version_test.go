package pgtest

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestVersion_Installed_HasThatMajor(t *testing.T) {
	t.Parallel()
	d := Version(t, 18)
	assert.Equal(t, "18", d.Value(t, "SELECT current_setting('server_version_num')::int / 10000"))
	assert.NotEqual(t, New(t).Port, d.Port)
	assert.Equal(t, d.Port, Version(t, 18).Port, "all tests share one server")
	_, err := d.Open(t).Exec("CREATE TABLE t (a int, b int GENERATED ALWAYS AS (a * 2) VIRTUAL)")
	require.NoError(t, err)
	pooled := d.Pooled(t, "transaction")
	assert.NotEqual(t, d.Port, pooled.Port)
}

func TestVersion_Unknown_ErrorListsVersions(t *testing.T) {
	t.Parallel()
	_, err := startVersion(9)
	require.ErrorContains(t, err, "14 16 17 18")
}
