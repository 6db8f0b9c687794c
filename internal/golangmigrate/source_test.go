package golangmigrate_test

import (
	"io"
	"os"
	"testing"
	"testing/fstest"

	upstream "github.com/golang-migrate/migrate/v4/source"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/golangmigrate"
	"github.com/shiplock/shiplock/internal/source"
)

func TestSource_Catalog_Iterates(t *testing.T) {
	files := fstest.MapFS{}
	for _, name := range []string{"1_a.up.sql", "1_a.down.sql", "5_b.up.sql", "7_c.down.sql"} {
		files[name] = &fstest.MapFile{Data: []byte("-- " + name)}
	}
	c, err := source.Read(files, "m", source.FailUnrecognized)
	require.NoError(t, err)
	d := golangmigrate.NewSource(c)
	v, err := d.First()
	require.NoError(t, err)
	assert.EqualValues(t, 1, v)
	v, err = d.Next(1)
	require.NoError(t, err)
	assert.EqualValues(t, 5, v)
	v, err = d.Prev(7)
	require.NoError(t, err)
	assert.EqualValues(t, 5, v)
	for _, f := range []func() error{
		func() error { _, err := d.Prev(1); return err },
		func() error { _, err := d.Next(7); return err },
		func() error { _, err := d.Next(3); return err },
		func() error { _, err := d.Prev(3); return err },
		func() error { _, _, err := d.ReadUp(7); return err },
		func() error { _, _, err := d.ReadDown(5); return err },
		func() error { _, _, err := d.ReadUp(2); return err },
	} {
		assert.ErrorIs(t, f(), os.ErrNotExist)
	}
	r, name, err := d.ReadDown(1)
	require.NoError(t, err)
	body, err := io.ReadAll(r)
	require.NoError(t, err)
	assert.Equal(t, "a", name)
	assert.Equal(t, "-- 1_a.down.sql", string(body))
}

// FuzzParseFileName checks that package source parses file names as golang-migrate does.
func FuzzParseFileName(f *testing.F) {
	for _, name := range []string{
		"1_a.up.sql", "0001_a.down.sql", "1_.up.sql", "1_a.up.down.sql", "1_a.down.up.sql", "1_a.up.sql.sql", "1_a_b.c.up.sql",
		"_a.up.sql", "a_1.up.sql", "+1_a.up.sql", "1a_b.up.sql", "1_a\nb.up.sql", "1_a.up.sql\n", "1_a.UP.sql", "1.up.sql", "1_up.sql", ".up.sql",
		"9223372036854775807_a.up.sql", "9223372036854775808_a.up.sql", "99999999999999999999_a.up.sql", "١_a.up.sql", "1_\xff.up.sql",
		"0001_rooms.up.sql", "20261121103000_rooms.down.sql", "rooms.sql", "1_rooms.up.json", "1_a.up.up.down.up.", "1_a.up.up.sql.bak",
	} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		got, err := source.ParseFileName(name)
		if !upstream.Regex.MatchString(name) {
			assert.ErrorIs(t, err, source.ErrNoFileName)
			return
		}
		want, overflow := upstream.Parse(name)
		if overflow != nil || want.Version > source.MaxVersion {
			assert.ErrorIs(t, err, source.ErrVersionTooHigh)
			return
		}
		require.NoError(t, err)
		assert.Equal(t, source.FileName{Version: want.Version, Name: want.Identifier, Down: want.Direction == upstream.Down}, got)
	})
}
