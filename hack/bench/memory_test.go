package bench

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/hack/bench/result"
	"github.com/shiplock/shiplock/internal/test/pgtest"
)

// memory measures a migration of much data.
func memory(t *testing.T, s scale) result.Figure {
	limits, err := os.ReadFile("/proc/" + pgtest.New(t).Value(t, "SELECT pg_backend_pid()") + "/limits")
	require.NoError(t, err)
	require.Regexp(t, fmt.Sprint(`Max address space +`, serverMemory), string(limits))
	table := result.Table{Title: "In brackets, times shiplock's", Header: []string{"tool", "peak memory", "wall time", "result"}}
	var own sample
	for _, tl := range tools(t) {
		t.Run(tl.Name, func(t *testing.T) { // frees the disk space of the files and the table after each tool
			d := pgtest.New(t)
			ran := run(t, tl.up(dataFolder(t, tl, s.data), d))
			if tl.Name == "shiplock" {
				own = ran
				require.Zero(t, ran.code, ran.output)
			}
			ended := "done"
			if ran.code != 0 {
				ended = "`" + ran.lastLine() + "`"
			} else {
				require.Equal(t, fmt.Sprint(rowsOf(s.data)), d.Value(t, "SELECT count(*) FROM bench_data"))
			}
			table.Rows = append(table.Rows, []string{tl.Name, cell(ran.memory, own.memory, megabytes), cell(ran.wall, own.wall, seconds), ended})
		})
	}
	require.False(t, t.Failed())
	return result.Figure{
		Title: "Memory with a data migration",
		How: fmt.Sprintf("One migration of %d MiB of `INSERT`s of a hundred rows each; the peak of the tool's process. "+
			"A server process is limited to %d GiB, because it keeps the parse trees of all statements of a message", s.data>>20, serverMemory>>30),
		Tables: []result.Table{table},
		Goals:  []result.Goal{goal("at most 300 MB", megabytes(own.memory), own.memory <= 300_000_000)},
	}
}

const (
	rowText = "a row of a booking table, as long as such rows usually are: booked, confirmed, paid, and archived"
	atOnce  = 100
)

// statement returns an INSERT with as many rows as is usual in data migrations.
func statement() string {
	return "INSERT INTO bench_data (note) VALUES" + strings.Repeat(" ('"+rowText+"'),", atOnce-1) + " ('" + rowText + "');\n"
}

func rowsOf(size int64) int64 { return size / int64(len(statement())) * atOnce }

// dataFolder returns a folder with a migration of approximately size bytes in the tool's format.
func dataFolder(t *testing.T, tl *tool, size int64) string {
	t.Helper()
	const here = "-- here\n"
	dir := tl.folder(t, []migration{{up: "CREATE TABLE bench_data (id bigint GENERATED ALWAYS AS IDENTITY, note text NOT NULL);\n" + here, down: "DROP TABLE bench_data;\n"}})
	found, err := exec.Command("grep", "-rl", "--", strings.TrimSpace(here), dir).Output()
	require.NoError(t, err)
	path := strings.TrimSpace(string(found))
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	before, after, _ := strings.Cut(string(text), here)
	f, err := os.Create(filepath.Clean(path))
	require.NoError(t, err)
	w := bufio.NewWriterSize(f, 1<<20)
	_, _ = w.WriteString(before) // Flush returns the first error
	one := statement()
	for range rowsOf(size) / atOnce {
		_, _ = w.WriteString(one)
	}
	_, _ = w.WriteString(after)
	require.NoError(t, w.Flush())
	require.NoError(t, f.Close())
	return dir
}
