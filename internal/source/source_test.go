package source

import (
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func filesNamed(names ...string) fstest.MapFS {
	fsys := fstest.MapFS{}
	for _, n := range names {
		fsys[n] = &fstest.MapFile{Data: []byte("-- " + n)}
	}
	return fsys
}

func TestRead_Versions_OrderedNumerically(t *testing.T) {
	c, err := Read(filesNamed(
		"10_ten.up.sql", "9_nine.up.sql", "9_nine.down.sql", "0002_two.up.sql",
		"20230102030405_stamp.up.sql", "1_dots.and spaces.up.sql",
		"README.md", ".hidden.up.sql", "..data/3_x.up.sql", "docs/notes.sql",
	), "m", FailUnrecognized)
	require.NoError(t, err)
	var got []uint
	for _, m := range c.All() {
		got = append(got, m.Version)
	}
	assert.Equal(t, []uint{1, 2, 9, 10, 20230102030405}, got)
	assert.EqualValues(t, 20230102030405, c.Latest())
	m, ok := c.Find(9)
	assert.True(t, ok)
	assert.Equal(t, Migration{Version: 9, Name: "nine", Up: "9_nine.up.sql", Down: "9_nine.down.sql"}, m)
	_, ok = c.Find(3)
	assert.False(t, ok)
}

func TestRead_UpAndDownNamesDiffer_Accepted(t *testing.T) {
	c, err := Read(filesNamed("1_users.up.sql", "1_drop_users.down.sql"), "m", FailUnrecognized)
	require.NoError(t, err)
	assert.Equal(t, []Migration{{Version: 1, Name: "users", Up: "1_users.up.sql", Down: "1_drop_users.down.sql"}}, c.All())
}

func TestRead_InvalidFiles_Refuses(t *testing.T) {
	for _, c := range []struct {
		name  string
		files []string
		want  []string
	}{
		{"nothing", nil, []string{"no migrations", "m", "0001_create_users.up.sql"}},
		{"no version", []string{"1_a.up.sql", "create.sql"}, []string{"create.sql", "never run", "rename"}},
		{"no direction", []string{"1_a.sql"}, []string{"1_a.sql", ".up.sql"}},
		{"in a folder", []string{"2_a.up.sql", "old/1_b.up.sql"}, []string{"m/old: this directory contains migrations", "move the files up"}},
		{"upper-case ending", []string{"1_a.up.SQL"}, []string{"1_a.up.SQL", ".up.sql"}},
		{"one version twice", []string{"1_a.up.sql", "01_a.up.sql"}, []string{"1_a.up.sql", "01_a.up.sql", "version 1"}},
		{"one version, two names", []string{"1_a.up.sql", "1_b.up.sql"}, []string{"1_a.up.sql", "1_b.up.sql", "version 1"}},
		{"golang-migrate would run it", []string{"1_a.up.sql", "2_b.up.sql.bak"}, []string{"2_b.up.sql.bak", "move it out of the directory"}},
		{"version too large", []string{"9223372036854775808_a.up.sql"}, []string{"9223372036854775808_a.up.sql", "9223372036854775807"}},
		{"version far too large", []string{"99999999999999999999999_a.up.sql"}, []string{"99999999999999999999999_a.up.sql", "exceeds the maximum"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Read(filesNamed(c.files...), "m", FailUnrecognized)
			require.Error(t, err)
			for _, w := range c.want {
				assert.Contains(t, err.Error(), w)
			}
		})
	}
}

func TestRead_UnrecognizedFiles_Ignored(t *testing.T) {
	c, err := Read(filesNamed("1_a.up.sql", "2-b.up.sql", "seed.sql"), "m", IgnoreUnrecognized)
	require.NoError(t, err)
	assert.Len(t, c.All(), 1)
	assert.Equal(t, []string{"2-b.up.sql", "seed.sql"}, c.Ignored())
	_, err = Read(filesNamed("1_a.up.sql", "01_b.up.sql"), "m", IgnoreUnrecognized)
	assert.Error(t, err, "two files of one version are never ignored")
}

func TestOpen_Error_NamesDirectory(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "nowhere")
	_, err := Open(missing, FailUnrecognized)
	assert.ErrorIs(t, err, ErrNoMigrations)
	assert.ErrorContains(t, err, missing)

	file := filepath.Join(t.TempDir(), "1_a.up.sql")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err = Open(file, FailUnrecognized)
	assert.ErrorIs(t, err, ErrNotDirectory)
}

func TestCreate_ExistingFiles_ContinuesNumbering(t *testing.T) {
	now := time.Date(2026, 11, 21, 9, 30, 0, 0, time.FixedZone("", 3600))
	for _, c := range []struct{ name, have, title, want string }{
		{"first", "", "Create users", "0001_create_users"},
		{"same width", "000041_x", "add-index", "000042_add_index"},
		{"grows", "99_x", "a", "100_a"},
		{"no padding", "7_x", "a", "8_a"},
		{"timestamp", "20200101000000_x", "a", "20261121083000_a"},
		{"timestamp ahead of the clock", "20990101000000_x", "a", "20990101000001_a"},
		{"other letters", "", "Gäste / 2", "0001_gäste_2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "m")
			if c.have != "" {
				require.NoError(t, os.MkdirAll(dir, 0o755))
				require.NoError(t, os.WriteFile(filepath.Join(dir, c.have+".up.sql"), nil, 0o600))
			}
			up, down, err := Create(dir, c.title, now)
			require.NoError(t, err)
			assert.Equal(t, filepath.Join(dir, c.want+".up.sql"), up)
			assert.Equal(t, filepath.Join(dir, c.want+".down.sql"), down)
			assert.FileExists(t, up)
			assert.FileExists(t, down)
			_, err = Open(dir, FailUnrecognized)
			assert.NoError(t, err)
		})
	}
}

func TestCreate_InvalidName_Refuses(t *testing.T) {
	dir := t.TempDir()
	_, _, err := Create(dir, " ../ ", time.Now())
	assert.ErrorContains(t, err, "want words such as")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "1_a.up.sql"), []byte("x"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "01_b.up.sql"), []byte("x"), 0o600))
	_, _, err = Create(dir, "b", time.Now())
	assert.ErrorContains(t, err, "01_b.up.sql")
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, entries, 2, "nothing is written when the folder is in doubt")
}

// A countingFS counts how often a file is opened.
type countingFS struct {
	fstest.MapFS
	opened map[string]int
}

func (f countingFS) Open(name string) (fs.File, error) {
	f.opened[name]++
	return f.MapFS.Open(name)
}

func TestChecksum_SameFile_ReadOnce(t *testing.T) {
	fsys := countingFS{filesNamed("1_a.up.sql", "1_a.down.sql", "2_b.down.sql"), map[string]int{}}
	c, err := Read(fsys, "m", FailUnrecognized)
	require.NoError(t, err)
	first, err := c.Checksum(1)
	require.NoError(t, err)
	assert.Len(t, first, 64)
	again, err := c.Checksum(1)
	require.NoError(t, err)
	assert.Equal(t, first, again)
	assert.Equal(t, 1, fsys.opened["1_a.up.sql"])
	for _, version := range []uint{2, 3} {
		none, err := c.Checksum(version)
		require.NoError(t, err)
		assert.Empty(t, none, "there is no up file")
	}
}

func TestText_LargeFile_Omitted(t *testing.T) {
	c, err := Read(fstest.MapFS{"1_a.up.sql": {Data: []byte("12345")}}, "m", FailUnrecognized)
	require.NoError(t, err)
	for limit, want := range map[int64]string{4: "", 5: "12345", 6: "12345"} {
		text, err := c.Text("1_a.up.sql", limit)
		require.NoError(t, err)
		assert.Equal(t, want, text)
	}
	text, err := c.Text("", 1)
	require.NoError(t, err)
	assert.Empty(t, text)
	_, err = c.Text("2_b.up.sql", 1)
	assert.ErrorContains(t, err, "m/2_b.up.sql")
	assert.ErrorIs(t, err, fs.ErrNotExist)
}

func FuzzParseFileName(f *testing.F) {
	for _, s := range []string{"1_a.up.sql", "00_.down.sql", "_a.up.sql", "1_a.up.sql.bak", "1__.up.down.sql", "９_x.up.sql"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		m, err := ParseFileName(name)
		if err != nil {
			return
		}
		assert.NotContains(t, m.Name, "\n")
		assert.LessOrEqual(t, m.Version, uint(MaxVersion))
	})
}

// The descriptor may belong to another file by then, which a second Close must not close.
func TestOpenFile_CloseTwice_ReturnsError(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "1_a.up.sql"), []byte("SELECT 1"), 0o600))
	c, err := Open(dir, FailUnrecognized)
	require.NoError(t, err)
	f, err := c.OpenFile("1_a.up.sql")
	require.NoError(t, err)
	require.NoError(t, f.Close())
	var others []*os.File // the lowest number that is free is the next one's
	for range 8 {
		other, err := os.Open(filepath.Join(dir, "1_a.up.sql"))
		require.NoError(t, err)
		t.Cleanup(func() { _ = other.Close() })
		others = append(others, other)
	}
	require.ErrorIs(t, f.Close(), fs.ErrClosed)
	_, err = f.Read(make([]byte, 1))
	require.ErrorIs(t, err, fs.ErrClosed)
	for _, other := range others {
		text, err := io.ReadAll(other)
		require.NoError(t, err)
		assert.Equal(t, "SELECT 1", string(text))
	}
}
