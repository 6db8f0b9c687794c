package dsn

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/test/pgtest"
)

var passwords = []string{
	"secret", "p@ss", "p/ss", "p:ss", "p?ss", "p#ss", "p%ss", "p ss", "12/34", "12#34", "12?34", "12@34",
	"@/:?#% ", "a@b@c", "%41", "100%", "p%2", `quo'te`, `back\slash`, "dollar$(HOME)", "ü€", "a@b/c?d#e:f%g h", "=x=", "&a=b",
}

func TestParseDSN_AnyPassword_Accepted(t *testing.T) {
	pgtest.UnsetVariables(t)
	for _, p := range passwords {
		t.Run(p, func(t *testing.T) {
			d, err := Parse("postgres://app:" + url.QueryEscape(p) + "@db.example:5433/shop?sslmode=disable")
			if strings.Contains(p, " ") { // QueryEscape writes "+", which is not userinfo's encoding
				d, err = Parse("postgres://app:" + strings.ReplaceAll(url.QueryEscape(p), "+", "%20") + "@db.example:5433/shop?sslmode=disable")
			}
			require.NoError(t, err)
			assert.Equal(t, p, d.cfg.Password, "percent-encoded in a URL")
			assert.Equal(t, "app@db.example:5433/shop", d.String())

			t.Setenv("PGHOST", "db.example")
			t.Setenv("PGPORT", "5433")
			t.Setenv("PGUSER", "app")
			t.Setenv("PGDATABASE", "shop")
			t.Setenv("PGPASSWORD", p)
			d, err = Parse("")
			require.NoError(t, err)
			assert.Equal(t, p, d.cfg.Password, "as separate parts")
			assert.Equal(t, "app@db.example:5433/shop", d.String())
		})
	}
}

func TestParseDSN_UnencodedPassword_Accepted(t *testing.T) {
	pgtest.UnsetVariables(t)
	for _, p := range passwords {
		if p == "%41" {
			continue // is the encoding of "A", and read as that
		}
		t.Run(p, func(t *testing.T) {
			d, err := Parse("postgres://app:" + p + "@db.example:5433/shop?sslmode=disable")
			require.NoError(t, err)
			assert.Equal(t, p, d.cfg.Password)
			assert.Equal(t, "app@db.example:5433/shop", d.String())
			assert.EqualValues(t, "disable", d.cfg.SSLMode)
		})
	}
}

func TestParse(t *testing.T) {
	pgtest.UnsetVariables(t)
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
			d, err := Parse(c.in)
			require.NoError(t, err)
			assert.Equal(t, c.want, d.String())
		})
	}
}

func TestParseDSN_NoSSLMode_Prefer(t *testing.T) {
	pgtest.UnsetVariables(t)
	d, err := Parse("postgres://app@db/shop")
	require.NoError(t, err)
	assert.EqualValues(t, "prefer", d.cfg.SSLMode)
	t.Setenv("PGSSLMODE", "verify-full")
	d, err = Parse("postgres://app@db/shop")
	require.NoError(t, err)
	assert.EqualValues(t, "verify-full", d.cfg.SSLMode)
}

func TestParseDSN_GolangMigrateParameters_NotSentToServer(t *testing.T) {
	pgtest.UnsetVariables(t)
	for _, query := range []string{
		"x-migrations-table=versions&x-multi-statement=true&sslmode=disable",
		"x-migrations-table=one&x-migrations-table=two",
		"x-migrations-table-quoted=true&x-migrations-table=" + url.QueryEscape(`"a.b"`),
		"x-statement-timeout=0&x-multi-statement=false&x-multi-statement-max-size=5&x-lock-strategy=advisory&x-lock-table=l",
		"x-multi-statement=true&x-anything=1",
	} {
		d, err := Parse("postgres://app@db/shop?" + query)
		require.NoError(t, err, query)
		assert.Empty(t, d.cfg.Runtime, "a server refuses settings it does not know: %s", query)
	}
}

func TestParseDSN_Invalid_ErrorWithoutPassword(t *testing.T) {
	pgtest.UnsetVariables(t)
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
		_, err := Parse(in)
		require.Error(t, err, in)
		assert.NotContains(t, err.Error(), "hunter22")
		assert.Contains(t, err.Error(), "database")
	}
}

func TestDSN_Formatted_WithoutPassword(t *testing.T) {
	pgtest.UnsetVariables(t)
	d, err := Parse("postgres://app:hunter22@db/shop?options=-csearch_path%3Da")
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
