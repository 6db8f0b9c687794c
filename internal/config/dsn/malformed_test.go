package dsn

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/test/pgtest"
)

func TestParseDSN_OtherSchemes_Refused(t *testing.T) {
	pgtest.UnsetVariables(t)
	for _, scheme := range []string{"pgx5", "pgx", "postgresql+psycopg", "postgresql+asyncpg", "jdbc:postgresql", "cockroachdb", "redshift", "mysql", "sqlite3", "jdbc:mysql"} {
		_, err := Parse(scheme + "://app:hunter22@db:5432/shop")
		require.Error(t, err, scheme)
		assert.Contains(t, err.Error(), `"`+scheme+`"`)
		assert.Contains(t, err.Error(), "write postgres://")
		assert.NotContains(t, err.Error(), "hunter22")
	}
	_, err := Parse("hunter22://app@db/shop")
	require.Error(t, err)
	assert.NotContains(t, err.Error(), "hunter22", "what stands there may be a secret")
	_, err = Parse("jdbc:postgresql:shop?user=app&password=hunter22")
	require.Error(t, err)
	assert.Contains(t, err.Error(), "write postgres://")
	assert.NotContains(t, err.Error(), "hunter22")
}

func TestParseDSN_DotNet_Refused(t *testing.T) {
	pgtest.UnsetVariables(t)
	for _, in := range []string{"Host=db;Username=app;Password=hunter22;Database=shop", "Server=db;Port=5432;Password=hunter22"} {
		_, err := Parse(in)
		assert.ErrorContains(t, err, "write postgres://")
		assert.NotContains(t, err.Error(), "hunter22")
	}
}
