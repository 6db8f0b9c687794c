package executor

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestPasswordPattern_SQL_IsMatched(t *testing.T) {
	for sql, want := range map[string]bool{
		"CREATE ROLE r LOGIN PASSWORD 'x'":                                                   true,
		"alter user r with encrypted\npassword\n\t'x' valid until 'infinity'":                true,
		"ALTER ROLE r PASSWORD E'x'":                                                         true,
		"ALTER ROLE r PASSWORD U&'x'":                                                        true,
		"ALTER ROLE r PASSWORD $$x$$":                                                        true,
		"CREATE USER MAPPING FOR u SERVER s OPTIONS (user 'u', password 'x')":                true,
		"DO $$ BEGIN EXECUTE 'CREATE ROLE r PASSWORD ''x'''; END $$":                         true,
		"CREATE SUBSCRIPTION s CONNECTION 'host=h dbname=d password=x' PUBLICATION p":        true,
		"SELECT dblink_connect('password=x user=u')":                                         true,
		"SELECT dblink_connect('postgresql://u:x@h/d')":                                      true,
		"ALTER ROLE r PASSWORD NULL":                                                         false,
		"CREATE TABLE users (name text, password text NOT NULL DEFAULT '', salt text)":       false,
		"UPDATE users SET password = crypt('x', gen_salt('bf')) WHERE password = ''":         false,
		"ALTER TABLE users RENAME COLUMN password TO password_hash":                          false,
		"COMMENT ON COLUMN users.password IS 'see https://example.com/password'":             false,
		"INSERT INTO links VALUES ('postgres://db.example/shop', 'https://me@example.com/')": false,
	} {
		assert.Equal(t, want, passwordPattern.MatchString(sql), sql)
	}
}
