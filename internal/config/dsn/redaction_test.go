package dsn

import (
	"encoding/base64"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/test/pgtest"
)

func TestRedact_EncodedSecret_Redacted(t *testing.T) {
	pgtest.UnsetVariables(t)
	const password = `s3cret @/:?#% '"\<ü`
	raw := strings.ReplaceAll(url.QueryEscape(password), "+", "%20")
	lower := strings.ReplaceAll(raw, "%2F", "%2f")
	d, err := Parse("postgres://u:" + lower + "@h/d")
	require.NoError(t, err)
	require.Equal(t, password, d.cfg.Password)
	for _, form := range []string{
		password, raw, lower, url.QueryEscape(password), url.PathEscape(password), url.UserPassword("u", password).String()[2:],
		`s3cret @/:?#% ''"\<ü`, `s3cret @/:?#% '\"\\<ü`, `s3cret @/:?#% '\"\\\u003cü`, `s3cret @/:?#% \'"\\<ü`,
		base64.StdEncoding.EncodeToString([]byte(password)), base64.RawURLEncoding.EncodeToString([]byte(password)), base64.StdEncoding.EncodeToString([]byte(password + "\n")),
	} {
		shown := d.Redact("<" + form + ">")
		assert.Contains(t, shown, "xxxxx", form)
		assert.NotContains(t, shown, "s3cret", form)
		assert.LessOrEqual(t, len(shown), len("<xxxxx====>"), form)
	}
}

func TestRedact_ShortPassword_OnlyInPasswordPosition(t *testing.T) {
	pgtest.UnsetVariables(t)
	for _, password := range []string{"app", "is", "migration", "database", "in", "postgres", "up", "123"} {
		d, err := Parse("postgres://owner:" + password + "@db/shop")
		require.NoError(t, err)
		const message = "migration 123_in.up.sql is applied to the database; postgres://db: what is applied, app 123 up"
		assert.Equal(t, message, d.Redact(message), password)
		for _, leak := range []string{"postgres://owner:" + password + "@db/shop", "password=" + password + " host=db", "PGPASSWORD=" + password, `"password": "` + password + `"`, "password '" + password + "'", "password " + password} {
			assert.NotRegexp(t, `\b`+password+`(@| host|"?$|'$|$)`, d.Redact(leak), "%s in %s", password, leak)
			assert.Contains(t, d.Redact(leak), "xxxxx", leak)
		}
	}
	d, err := Parse("postgres://owner:s3cretword@db/shop")
	require.NoError(t, err)
	assert.Equal(t, "axxxxxb", d.Redact("as3cretwordb"), "a strong one is redacted wherever it stands")
	d, err = Parse("postgres://owner:a1b2@db/shop")
	require.NoError(t, err)
	assert.Equal(t, "login a1b2c3 xxxxx", d.Redact("login a1b2c3 a1b2"))
}
