package dsn

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/test/pgtest"
)

func TestParseDSN_PasswordFile_Read(t *testing.T) {
	pgtest.UnsetVariables(t)
	file := filepath.Join(t.TempDir(), "pgpass")
	text := strings.Join([]string{
		"# db:5432:shop:app:commented out", "", "short:line",
		`other:*:*:*:other`, `db:5433:*:*:port`, `db:*:my\:shop:app:colon`, `db:*:shop:app:p@ss\:w\\rd`, `localhost:*:*:app:socket`, `blank:*:*:app: x `, `escaped:*:*:app:\x\\y`, `*:*:*:app:any`,
	}, "\n")
	for _, mode := range []os.FileMode{0o600, 0o440, 0o644} { // the last two are what a Secret's volume has
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		require.NoError(t, os.Chmod(file, mode))
		t.Setenv("PGPASSFILE", file)
		for dsn, want := range map[string]string{
			"postgres://app@db/shop":                      `p@ss:w\rd`,
			"postgres://app@db:5433/shop":                 "port",
			"postgres://app@db/my%3Ashop":                 "colon",
			"postgres://app@elsewhere/shop":               "any",
			"postgres://app:given@db/shop":                "given",
			"postgres:///shop?host=/run/pg&user=app":      "socket",
			"postgres://app@blank/shop":                   " x ",
			"postgres://app@escaped/shop":                 `x\y`,
			"postgres://nobody@elsewhere/shop":            "",
			"host=other user=x dbname=y passfile=" + file: "other",
		} {
			d, err := Parse(dsn)
			require.NoError(t, err)
			assert.Equal(t, want, d.cfg.Password, "%s, mode %o", dsn, mode)
		}
	}
	_, err := Parse("postgres://app@db/shop?passfile=/nowhere/pgpass")
	assert.ErrorContains(t, err, "/nowhere/pgpass")
}
