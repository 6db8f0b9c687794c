package source

import (
	"testing"

	"github.com/golang-migrate/migrate/v4/source"
	"github.com/stretchr/testify/assert"
)

// FuzzParsePlainName compares parsePlainName with golang-migrate's expression.
func FuzzParsePlainName(f *testing.F) {
	for _, name := range []string{
		"1_a.up.sql", "0001_a.down.sql", "1_.up.sql", "1_a.up.down.sql", "1_a.down.up.sql", "1_a.up.sql.sql", "1_a_b.c.up.sql",
		"_a.up.sql", "a_1.up.sql", "+1_a.up.sql", "1a_b.up.sql", "1_a\nb.up.sql", "1_a.UP.sql", "1.up.sql", "1_up.sql", ".up.sql",
		"9223372036854775807_a.up.sql", "9223372036854775808_a.up.sql", "99999999999999999999_a.up.sql", "١_a.up.sql", "1_\xff.up.sql",
	} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		got, plain := parsePlainName(name)
		want, err := source.Parse(name)
		if plain {
			assert.NoError(t, err)
			assert.Equal(t, *want, got)
		}
	})
}

// TestParsePlainName checks that names of the usual form are parsed.
func TestParsePlainName(t *testing.T) {
	for name, plain := range map[string]bool{
		"0001_rooms.up.sql": true, "20261121103000_rooms.down.sql": true, "1_.up.sql": true,
		"rooms.sql": false, "1_rooms.up.json": false, "9223372036854775808_a.up.sql": false,
	} {
		_, got := parsePlainName(name)
		assert.Equal(t, plain, got, name)
	}
}
