package dsn

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/test/pgtest"
)

func TestParseDSN_LibpqVariables_SameAsParameters(t *testing.T) {
	pgtest.UnsetVariables(t)
	t.Setenv("PGCHANNELBINDING", "require")
	t.Setenv("PGGSSENCMODE", "disable")
	d, err := Parse("postgres://app@db/shop?sslmode=require")
	require.NoError(t, err)
	assert.Len(t, d.Ignored(), 1)
	assert.Contains(t, d.Ignored()[0], "channel_binding")
	assert.Equal(t, "require", os.Getenv("PGCHANNELBINDING"), "a tool that is run has it still")
	_, err = Parse("postgres://app@db/shop")
	assert.ErrorContains(t, err, "channel_binding=require")
	d, err = Parse("postgres://app@db/shop?channel_binding=prefer")
	require.NoError(t, err, "the URL's counts")
	assert.Empty(t, d.Ignored())
	t.Setenv("PGREQUIREAUTH", "scram-sha-256")
	_, err = Parse("postgres://app@db/shop?sslmode=require")
	assert.ErrorContains(t, err, "require_auth")
}
