package pgtest

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestVersion_Installed_HasThatMajor(t *testing.T) {
	t.Parallel()
	major := 18
	if Major(t) == major {
		major = 14
	}
	d := Version(t, major)
	assert.Equal(t, strconv.Itoa(major), d.Value(t, "SELECT current_setting('server_version_num')::int / 10000"))
	assert.NotEqual(t, New(t).Port, d.Port)
	assert.Equal(t, d.Port, Version(t, major).Port, "all tests share one server")
	pooled := d.Pooled(t, "transaction")
	assert.NotEqual(t, d.Port, pooled.Port)
}

func TestVersion_OfOwnServer_SharesServer(t *testing.T) {
	t.Parallel()
	major, err := strconv.Atoi(ownMajor)
	if err != nil {
		t.Skipf("%s is not set", majorVariable)
	}
	assert.Equal(t, major, Major(t))
	assert.Equal(t, New(t).Port, Version(t, major).Port)
}

func TestVersion_Unknown_ErrorListsVersions(t *testing.T) {
	t.Parallel()
	_, err := startVersion(9)
	require.ErrorContains(t, err, "13 14 15 16 17 18")
}
