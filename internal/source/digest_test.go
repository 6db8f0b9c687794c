package source_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/source"
)

func TestDigest_ByteChanged_Differs(t *testing.T) {
	big := strings.Repeat("INSERT INTO t VALUES (1);\n", 20_000) // more than is read at a time
	files := map[string]string{"1_a.up.sql": "SELECT 1;\n", "1_a.down.sql": "SELECT -1;\n", "2_b.up.sql": big, "3_c.down.sql": ""}
	for i := 4; i < 300; i++ { // more than one worker's share
		files[fmt.Sprintf("%d_x.up.sql", i)] = fmt.Sprintf("SELECT %d;\n", i)
	}
	digest := func(files map[string]string) string {
		dir, mapped := t.TempDir(), fstest.MapFS{}
		for name, text := range files {
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
			mapped[name] = &fstest.MapFile{Data: []byte(text)}
		}
		c, err := source.Open(dir, source.FailUnrecognized)
		require.NoError(t, err)
		sum, err := c.Digest()
		require.NoError(t, err)
		other, err := source.Read(mapped, "mapped", source.FailUnrecognized)
		require.NoError(t, err)
		again, err := other.Digest()
		require.NoError(t, err)
		assert.Equal(t, sum, again, "a folder on disk and the same files elsewhere")
		assert.Len(t, sum, 64)
		return sum
	}
	was := digest(files)
	assert.Equal(t, was, digest(files))
	for name, change := range map[string]func(map[string]string){
		"a byte, and no more of them":  func(f map[string]string) { f["1_a.up.sql"] = "SELECT 2;\n" },
		"a comment":                    func(f map[string]string) { f["1_a.up.sql"] = "--\n" + f["1_a.up.sql"] },
		"the end of a big file":        func(f map[string]string) { f["2_b.up.sql"] = big[:len(big)-2] + " " },
		"a longer big file":            func(f map[string]string) { f["2_b.up.sql"] = big + "SELECT 1;" },
		"the last file":                func(f map[string]string) { f["299_x.up.sql"] += "\n" },
		"a new file":                   func(f map[string]string) { f["300_x.up.sql"] = "" },
		"a file less":                  func(f map[string]string) { delete(f, "299_x.up.sql") },
		"a down file less":             func(f map[string]string) { delete(f, "1_a.down.sql") },
		"another name":                 func(f map[string]string) { f["4_y.up.sql"] = f["4_x.up.sql"]; delete(f, "4_x.up.sql") },
		"two files that change places": func(f map[string]string) { f["4_x.up.sql"], f["5_x.up.sql"] = f["5_x.up.sql"], f["4_x.up.sql"] },
	} {
		changed := map[string]string{}
		for name, text := range files {
			changed[name] = text
		}
		change(changed)
		assert.NotEqual(t, was, digest(changed), name)
	}
}

// TestDigest_UnreadableFile_NamesIt covers a file that was removed in the meantime, for example when a volume is updated.
func TestDigest_UnreadableFile_NamesIt(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "1_a.up.sql")
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	c, err := source.Open(dir, source.FailUnrecognized)
	require.NoError(t, err)
	require.NoError(t, os.Remove(path))
	_, err = c.Digest()
	assert.EqualError(t, err, "cannot read migration "+path+": no such file or directory")
	require.NoError(t, os.Mkdir(path, 0o700))
	_, err = c.Digest()
	assert.EqualError(t, err, "cannot read migration "+path+": is a directory")
}

// TestInitialDigest_FileChanged_Unchanged checks that the digest is that of the files at the start of the run.
func TestInitialDigest_FileChanged_Unchanged(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	write("1_a.up.sql", "SELECT 1;")
	write("2_b.up.sql", "SELECT 2;")
	c, err := source.Open(dir, source.FailUnrecognized)
	require.NoError(t, err)
	digest := func(of func() (string, error)) string {
		sum, err := of()
		require.NoError(t, err)
		return sum
	}
	plain := digest(c.InitialDigest)
	c.TakeDigest()
	assert.Equal(t, plain, digest(c.InitialDigest))
	write("1_a.up.sql", "SELECT 3;")
	assert.Equal(t, plain, digest(c.InitialDigest))
	assert.NotEqual(t, plain, digest(c.Digest))
	assert.NotEqual(t, plain, digest(c.UpTo(1).InitialDigest), "a part is another catalog")
	require.NoError(t, os.RemoveAll(dir))
	_, err = c.Digest()
	assert.ErrorContains(t, err, dir+": no such file or directory")
}
