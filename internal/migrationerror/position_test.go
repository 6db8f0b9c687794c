package migrationerror

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestUniquePosition(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ sql, name, want string }{
		{"ALTER TABLE a ADD b int", "a", "a ADD"},
		{"ALTER TABLE a ADD a int", "a", ""},
		{`ALTER TABLE "A ""x" ADD b int`, `A "x`, `"A`},
		{"ALTER TABLE A ADD b int", "a", "A ADD"},
		{"ALTER TABLE x /* a */ ADD b text DEFAULT 'a' -- a\n, ADD a int", "a", "a int"},
		{"SELECT $$ a $$, a", "a", "a"},
		{"SELECT 'open", "a", ""},
	} {
		at := uniquePosition(c.sql, c.name)
		if c.want == "" {
			assert.Negative(t, at, c.sql)
		} else if assert.GreaterOrEqual(t, at, 0, c.sql) {
			assert.True(t, strings.HasPrefix(c.sql[at:], c.want), "%s: %s", c.sql, c.sql[at:])
		}
	}
}
