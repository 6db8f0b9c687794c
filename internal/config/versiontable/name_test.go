package versiontable

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestParse(t *testing.T) {
	for _, c := range []struct{ in, schema, name string }{
		{"versions", "", "versions"},
		{"shop.versions", "shop", "versions"},
		{"My Shop.Versions", "My Shop", "Versions"},
		{`"shop.versions"`, "", "shop.versions"},
		{`"shop"."versions"`, "shop", "versions"},
		{`shop."a.b"`, "shop", "a.b"},
		{`"a.b".c`, "a.b", "c"},
		{`"say ""hi"""`, "", `say "hi"`},
		{`"a"."b.c""d"`, "a", `b.c"d`},
		{`s.x"; DROP TABLE users; --`, "s", `x"; DROP TABLE users; --`},
	} {
		schema, name, ok := Parse(c.in)
		assert.True(t, ok, c.in)
		assert.Equal(t, []string{c.schema, c.name}, []string{schema, name}, c.in)
		schema, name, ok = Parse(Format(schema, name))
		assert.True(t, ok, c.in)
		assert.Equal(t, []string{c.schema, c.name}, []string{schema, name}, "written and read back: %s", c.in)
	}
	for _, in := range []string{"", ".", "a.", ".a", `"a`, `"a"b`, `""`, `"".a`, `"a".`, `a.""`} {
		_, _, ok := Parse(in)
		assert.False(t, ok, in)
	}
}
