package bench

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/hack/bench/result"
	"github.com/shiplock/shiplock/internal/test/pgtest"
)

// image measures the size of an image, and the time from a program's start to its first byte to the server.
func image(t *testing.T, s scale) result.Figure {
	table := result.Table{Title: "In brackets, times shiplock's", Header: []string{"tool", "unpacked", "compressed", "start to first byte"}}
	unpacked, packed, start := map[string]int64{}, map[string]int64{}, startTimes(t, s)
	for _, tl := range peers(t) {
		unpacked[tl.Name], packed[tl.Name] = sizes(t, tl.Path)
		table.Rows = append(table.Rows, []string{tl.Name, cell(unpacked[tl.Name], unpacked["shiplock"], megabytes),
			cell(packed[tl.Name], packed["shiplock"], megabytes), cell(start[tl.Name], start["shiplock"], seconds)})
	}
	least, name := fastest(t, packed)
	size := goal("the smallest of all, compressed", fmt.Sprintf("%s is the smallest of the other tools, %s", name, times(float64(least)/float64(packed["shiplock"]))), packed["shiplock"] < least)
	if !size.Met {
		size.Note = "shiplock includes PostgreSQL's parser, which finds statements that cannot run in a transaction, the end of each statement and the one that failed. It also includes an HTTP client with TLS for notifications. No other tool has either"
	}
	return result.Figure{
		Title: "Image size and start",
		How: fmt.Sprintf("Each program with the same certificates, as in an image from scratch (tar, and gzip -9 of that). The other tools are built with only their PostgreSQL drivers. "+
			"Start: from the start of the process to the first byte that a listener on loopback gets, with one migration in the source. "+
			"The median of %d runs in turn", s.starts),
		Tables: []result.Table{table},
		Goals:  []result.Goal{size, goal("start to first byte at most 15 ms", seconds(start["shiplock"]), start["shiplock"] <= 15*time.Millisecond)},
	}
}

// sizes returns the sizes of a layer with the program and the certificates.
func sizes(t *testing.T, path string) (unpacked, packed int64) {
	t.Helper()
	var plain, small bytes.Buffer
	zip, err := gzip.NewWriterLevel(&small, gzip.BestCompression)
	require.NoError(t, err)
	layer := tar.NewWriter(&plain)
	stripped := filepath.Join(t.TempDir(), "program")
	require.NoError(t, exec.Command("strip", "-o", stripped, path).Run(), "strip removes the symbols")
	for _, file := range []string{stripped, filepath.Join(binaries.dir, "ca-certificates.crt")} {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		require.NoError(t, layer.WriteHeader(&tar.Header{Name: filepath.Base(file), Mode: 0o755, Size: int64(len(text))}))
		_, err = layer.Write(text)
		require.NoError(t, err)
	}
	require.NoError(t, layer.Close())
	_, err = zip.Write(plain.Bytes())
	require.NoError(t, err)
	require.NoError(t, zip.Close())
	return int64(plain.Len()), int64(small.Len())
}

// startTimes returns the median time from the start of each program to its first byte.
func startTimes(t *testing.T, s scale) map[string]time.Duration {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	nowhere := *pgtest.New(t)
	nowhere.Port = l.Addr().(*net.TCPAddr).Port
	all := map[string][]time.Duration{}
	for _, tl := range peers(t) {
		dir := tl.folder(t, smallMigrations(1))
		for range s.starts {
			all[tl.Name] = append(all[tl.Name], firstByte(t, l, tl.up(dir, &nowhere)))
		}
	}
	out := map[string]time.Duration{}
	for name, each := range all {
		slices.Sort(each)
		out[name] = each[len(each)/2]
	}
	return out
}

// firstByte starts a program, waits until it has sent something, and ends it.
func firstByte(t *testing.T, l net.Listener, cmd *exec.Cmd) time.Duration {
	t.Helper()
	var output strings.Builder
	cmd.Stderr = &output
	require.NoError(t, l.(*net.TCPListener).SetDeadline(time.Now().Add(30*time.Second)))
	start := time.Now()
	require.NoError(t, cmd.Start())
	conn, err := l.Accept()
	if err == nil {
		_, err = conn.Read(make([]byte, 1))
	}
	took := time.Since(start)
	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait() // it was killed
	require.NoErrorf(t, err, "%s: %s", cmd, output.String())
	require.NoError(t, conn.Close())
	return took
}
