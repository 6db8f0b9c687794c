package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/test/fixture"
	"github.com/shiplock/shiplock/internal/test/pgtest"
)

// bigFileVariable is an environment variable with the size of the big files, in MiB (see CONTRIBUTING.md).
const bigFileVariable = "SHIPLOCK_TEST_BIG_FILE_MIB"

// maxBigBytes is less than a file of the default size needs if memory holds its text, a UTF-8 copy, and
// the query. The documented limit for a file of 1 GiB is 300 MB.
const (
	defaultBigFileMiB = 64
	maxBigBytes       = 120 << 20
)

func bigFileBytes(t *testing.T) int {
	mib := defaultBigFileMiB
	if v := os.Getenv(bigFileVariable); v != "" {
		var err error
		mib, err = strconv.Atoi(v)
		require.NoError(t, err)
	}
	return mib << 20
}

// bigFile writes a migration of at least this size, line by line.
func bigFile(t *testing.T, bytes int, head, tail string, line func(i int) string) (dir string, lines int) {
	t.Helper()
	dir = t.TempDir()
	f, err := os.Create(filepath.Join(dir, "1_big.up.sql"))
	require.NoError(t, err)
	w := bufio.NewWriter(f)
	_, err = w.WriteString(head)
	for size := 0; size < bytes && err == nil; lines++ {
		var n int
		n, err = w.WriteString(line(lines))
		size += n
	}
	require.NoError(t, err)
	_, err = w.WriteString(tail)
	require.NoError(t, err)
	require.NoError(t, w.Flush())
	require.NoError(t, f.Close())
	return dir, lines
}

var note = strings.Repeat("größer und ; 'weiter' ", 8)

func TestUp_BigFile_MemoryBounded(t *testing.T) {
	quoted := strings.ReplaceAll(note, "'", "''")
	for name, c := range map[string]struct {
		head, tail string
		line       func(i int) string
	}{
		"statements": {
			"CREATE TABLE big (id int, note text);\n", "ANALYZE big;\n",
			func(i int) string { return fmt.Sprintf("INSERT INTO big VALUES (%d, '%s');\n", i, quoted) },
		},
		"rows": {
			"CREATE TABLE big (id int, note text);\nCOPY big FROM stdin;\n", "\\.\nANALYZE big;\n",
			func(i int) string { return fmt.Sprintf("%d\t%s\n", i, note) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := pgtest.New(t)
			dir, lines := bigFile(t, bigFileBytes(t), c.head, c.tail, c.line)
			began := time.Now()
			resetPeakMemory(t)
			cmd, stderr := start(t, d, dir)
			require.NoError(t, cmd.Wait(), stderr)
			peak := peakBytes(t, cmd)
			t.Logf("%d lines in %s, peak %.1f MB", lines, time.Since(began).Round(time.Millisecond), float64(peak)/1e6)
			assert.Less(t, peak, int64(maxBigBytes))
			assert.Equal(t, fmt.Sprint(lines), d.Value(t, "SELECT count(*) FROM big WHERE note = $1", note))
			assert.Equal(t, "true", d.Value(t, "SELECT up_checksum IS NOT NULL AND up_sql IS NULL FROM schema_migrations_history"))
		})
	}
}

// TestUp_BigFileFails_StatementReported checks that the report has the position and the statement.
func TestUp_BigFileFails_StatementReported(t *testing.T) {
	d := pgtest.New(t)
	const bytes, bad = 8 << 20, 30_000
	dir, lines := bigFile(t, bytes, "CREATE TABLE big (id int PRIMARY KEY, note text);\n", "", func(i int) string {
		return fmt.Sprintf("INSERT INTO big VALUES (%d, '%s');\n", i%bad, strings.ReplaceAll(note, "'", "''"))
	})
	require.Greater(t, lines, bad)
	cmd, stderr := start(t, d, dir)
	assert.Equal(t, 6, exitCode(t, cmd.Wait()))
	assert.Contains(t, stderr.String(), fmt.Sprintf("1_big.up.sql, line %d, column 13 (version 1 up)", bad+2))
	assert.Contains(t, stderr.String(), "SQLSTATE 23505")
	assert.Contains(t, stderr.String(), "INSERT INTO big VALUES (0, ")
	assert.Contains(t, stderr.String(), "no changes of this migration remain")
	assert.Empty(t, d.Value(t, "SELECT to_regclass('big')"))
}

func TestUp_SignalDuringCopy_Stops(t *testing.T) {
	d := pgtest.New(t)
	const slow = `CREATE TABLE a (b int);
CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(60); RETURN NEW; END $$;
CREATE TRIGGER slow BEFORE INSERT ON a FOR EACH ROW EXECUTE FUNCTION slow();
COPY a FROM stdin;
`
	dir, _ := bigFile(t, 8<<20, slow, "\\.\n", func(i int) string { return fmt.Sprintln(i) })
	cmd, stderr := start(t, d, dir)
	copying := "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%COPY a%' AND pid <> pg_backend_pid() AND datname = current_database()"
	fixture.Eventually(t, d, copying, "1")
	sent := time.Now()
	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	assert.Equal(t, 128+int(syscall.SIGTERM), exitCode(t, cmd.Wait()))
	assert.Less(t, time.Since(sent), 30*time.Second, "must not wait for the statement")
	assert.Contains(t, stderr.String(), "stopped by SIGTERM")
	fixture.EventuallyWithin(t, 30*time.Second, d, copying, "0")
	assert.Empty(t, d.Value(t, "SELECT to_regclass('a')"))
}
