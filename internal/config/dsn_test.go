package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// clearPG unsets the PG* variables of the environment.
func clearPG(t *testing.T) {
	t.Helper()
	for _, kv := range os.Environ() {
		k, v, _ := strings.Cut(kv, "=")
		if strings.HasPrefix(k, "PG") {
			require.NoError(t, os.Unsetenv(k))
			t.Cleanup(func() { _ = os.Setenv(k, v) })
		}
	}
}

var passwords = []string{
	"secret", "p@ss", "p/ss", "p:ss", "p?ss", "p#ss", "p%ss", "p ss", "12/34", "12#34", "12?34", "12@34",
	"@/:?#% ", "a@b@c", "%41", "100%", "p%2", `quo'te`, `back\slash`, "dollar$(HOME)", "ü€", "a@b/c?d#e:f%g h", "=x=", "&a=b",
}

func TestParseDSN_AnyPassword_Accepted(t *testing.T) {
	clearPG(t)
	for _, p := range passwords {
		t.Run(p, func(t *testing.T) {
			d, err := ParseDSN("postgres://app:" + url.QueryEscape(p) + "@db.example:5433/shop?sslmode=disable")
			if strings.Contains(p, " ") { // QueryEscape writes "+", which is not userinfo's encoding
				d, err = ParseDSN("postgres://app:" + strings.ReplaceAll(url.QueryEscape(p), "+", "%20") + "@db.example:5433/shop?sslmode=disable")
			}
			require.NoError(t, err)
			assert.Equal(t, p, d.cfg.Password, "percent-encoded in a URL")
			assert.Equal(t, "app@db.example:5433/shop", d.String())

			t.Setenv("PGHOST", "db.example")
			t.Setenv("PGPORT", "5433")
			t.Setenv("PGUSER", "app")
			t.Setenv("PGDATABASE", "shop")
			t.Setenv("PGPASSWORD", p)
			d, err = ParseDSN("")
			require.NoError(t, err)
			assert.Equal(t, p, d.cfg.Password, "as separate parts")
			assert.Equal(t, "app@db.example:5433/shop", d.String())
		})
	}
}

func TestParseDSN_UnencodedPassword_Accepted(t *testing.T) {
	clearPG(t)
	for _, p := range passwords {
		if p == "%41" {
			continue // is the encoding of "A", and read as that
		}
		t.Run(p, func(t *testing.T) {
			d, err := ParseDSN("postgres://app:" + p + "@db.example:5433/shop?sslmode=disable")
			require.NoError(t, err)
			assert.Equal(t, p, d.cfg.Password)
			assert.Equal(t, "app@db.example:5433/shop", d.String())
			assert.EqualValues(t, "disable", d.cfg.SSLMode)
		})
	}
}

func TestParseDSN(t *testing.T) {
	clearPG(t)
	t.Setenv("PGUSER", "envuser")
	for _, c := range []struct{ name, in, want string }{
		{"no password", "postgres://app@db/shop", "app@db:5432/shop"},
		{"user from the environment", "postgres://db:6432/shop", "envuser@db:6432/shop"},
		{"tenant user in a parameter", "postgres://db:6432/shop?user=me@tenant", "me@tenant@db:6432/shop"},
		{"IPv6", "postgresql://app@[::1]:5433/shop", "app@[::1]:5433/shop"},
		{"key=value", "host=db user=app dbname=shop port=5434", "app@db:5434/shop"},
		{"key=value with a socket", "host=/run/pg user=app dbname=shop", "app@/run/pg/shop"},
		{"socket as a parameter", "postgres:///shop?host=/run/pg&user=app", "app@/run/pg/shop"},
		{"two hosts", "postgres://app@a,b/shop?port=1,2", "app@a:1,b:2/shop"},
		{"two hosts with ports", "postgres://app:pw@a:1,b:2/shop", "app@a:1,b:2/shop"},
		{"two hosts, one port", "postgres://app@a,b:2/shop", "app@a:5432,b:2/shop"},
		{"encoded database name", "postgres://app@db/my%20shop", "app@db:5432/my shop"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, err := ParseDSN(c.in)
			require.NoError(t, err)
			assert.Equal(t, c.want, d.String())
		})
	}
}

func TestParseDSN_NoSSLMode_Prefer(t *testing.T) {
	clearPG(t)
	d, err := ParseDSN("postgres://app@db/shop")
	require.NoError(t, err)
	assert.EqualValues(t, "prefer", d.cfg.SSLMode)
	t.Setenv("PGSSLMODE", "verify-full")
	d, err = ParseDSN("postgres://app@db/shop")
	require.NoError(t, err)
	assert.EqualValues(t, "verify-full", d.cfg.SSLMode)
}

func TestParseDSN_GolangMigrateParameters_NotSentToServer(t *testing.T) {
	clearPG(t)
	d, err := ParseDSN("postgres://app@db/shop?x-migrations-table=versions&x-multi-statement=true&sslmode=disable")
	require.NoError(t, err)
	assert.Empty(t, d.cfg.Runtime, "a server refuses settings it does not know")
}

func TestParseDSN_Invalid_ErrorWithoutPassword(t *testing.T) {
	clearPG(t)
	for _, in := range []string{
		"mysql://app:hunter22@db/shop",
		"postgres://app:hunter22@db:notaport/shop",
		"postgres://app:hunter22@db:99999999/shop",
		"postgres://app:hunter22@db/shop?sslmode=hunter22",
		"host=db password=hunter22 port=x",
		"host=db password='hunter22",
		"hunter22",
		"postgres://app:hunter22@[::1/shop",
	} {
		_, err := ParseDSN(in)
		require.Error(t, err, in)
		assert.NotContains(t, err.Error(), "hunter22")
		assert.Contains(t, err.Error(), "database")
	}
}

func TestDSN_Formatted_WithoutPassword(t *testing.T) {
	clearPG(t)
	d, err := ParseDSN("postgres://app:hunter22@db/shop?options=-csearch_path%3Da")
	require.NoError(t, err)
	var out bytes.Buffer
	type holder struct{ DSN DSN }
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&out, verb+"\n", d)
		fmt.Fprintf(&out, verb+"\n", &d)
		fmt.Fprintf(&out, verb+"\n", holder{d})
		fmt.Fprintf(&out, verb+"\n", []any{d})
	}
	j, err := json.Marshal(holder{d})
	require.NoError(t, err)
	out.Write(j)
	opts := &slog.HandlerOptions{Level: slog.LevelDebug}
	for _, h := range []slog.Handler{slog.NewTextHandler(&out, opts), slog.NewJSONHandler(&out, opts)} {
		slog.New(h).Debug("dsn", "dsn", d, "held", holder{d}, "ptr", &d)
	}
	assert.Contains(t, out.String(), "app@db:5432/shop")
	assert.NotContains(t, out.String(), "hunter22")
	assert.NotContains(t, out.String(), fmt.Sprintf("%x", "hunter22"))
}

func TestParseDSN_PasswordFile_Read(t *testing.T) {
	clearPG(t)
	file := filepath.Join(t.TempDir(), "pgpass")
	text := strings.Join([]string{
		"# db:5432:shop:app:commented out", "", "short:line",
		`other:*:*:*:other`, `db:5433:*:*:port`, `db:*:my\:shop:app:colon`, `db:*:shop:app:p@ss\:w\\rd`, `localhost:*:*:app:socket`, `*:*:*:app:any`,
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
			"postgres://nobody@elsewhere/shop":            "",
			"host=other user=x dbname=y passfile=" + file: "other",
		} {
			d, err := ParseDSN(dsn)
			require.NoError(t, err)
			assert.Equal(t, want, d.cfg.Password, "%s, mode %o", dsn, mode)
		}
	}
	_, err := ParseDSN("postgres://app@db/shop?passfile=/nowhere/pgpass")
	assert.ErrorContains(t, err, "/nowhere/pgpass")
}
