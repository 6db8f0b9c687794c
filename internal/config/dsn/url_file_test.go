package dsn

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/config/credentials"
	"github.com/shiplock/shiplock/internal/test/pgtest"
)

func TestURLFile_Changed_ReadAgain(t *testing.T) {
	pgtest.UnsetVariables(t)
	file := filepath.Join(t.TempDir(), "url")
	write := func(s string) { require.NoError(t, os.WriteFile(file, []byte(s), 0o600)) }
	write("postgres://u1:first-p%40ss@h:1/d\n")
	text, err := URLFile(file).Read()
	require.NoError(t, err)
	d, err := Parse(text)
	require.NoError(t, err)
	d.SetSource(URLFile(file))
	assert.Equal(t, "u1@h:1/d", d.String())
	write("postgres://u2:second-p@ss@h:1/d")
	l, err := d.logins.Get(t.Context())
	require.NoError(t, err)
	assert.Equal(t, credentials.Login{User: "u2", Password: "second-p@ss"}, l)
	assert.Equal(t, "xxxxx xxxxx xxxxx", d.Redact("first-p@ss first-p%40ss second-p@ss"), "the earlier one is secret still")

	write("mysql://u:marked@h")
	_, err = d.logins.Get(t.Context())
	require.ErrorContains(t, err, file)
	assert.NotContains(t, err.Error(), "marked")
}
