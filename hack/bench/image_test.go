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
	"github.com/shiplock/shiplock/internal/pgtest"
)

// image is what a node has to pull, and how long a program takes until the server hears of it.
func image(t *testing.T, s scale) result.Figure {
	table := result.Table{Title: "In brackets, times shiplock's", Header: []string{"tool", "unpacked", "compressed", "start to first byte"}}
	unpacked, packed, start := map[string]int64{}, map[string]int64{}, starts(t, s)
	for _, tl := range peers(t) {
		unpacked[tl.name], packed[tl.name] = sizes(t, tl.path)
		table.Rows = append(table.Rows, []string{tl.name, cell(unpacked[tl.name], unpacked["shiplock"], megabytes),
			cell(packed[tl.name], packed["shiplock"], megabytes), cell(start[tl.name], start["shiplock"], seconds)})
	}
	least, who := fastest(t, packed)
	size := goal("the smallest of all, compressed", fmt.Sprintf("%s is the smallest peer, %s", who, times(float64(least)/float64(packed["shiplock"]))), packed["shiplock"] < least)
	if !size.Met {
		size.Note = "shiplock holds PostgreSQL's own parser, by which it knows what cannot run in a transaction, where a statement ends and which one has failed; and an HTTP client with TLS, by which it tells webhooks, a Pushgateway and Kubernetes how a release ended. No peer has either"
	}
	return result.Figure{
		Title: "The image, and its start",
		How: fmt.Sprintf("Each program by itself with the same certificates, as an image from scratch would hold it (tar, and gzip -9 of that); peers are built with their drivers for PostgreSQL alone. "+
			"Start: from the start of the process to the first byte that a listener on loopback gets, with one migration in the source, "+
			"the median of %d in turn", s.starts),
		Tables: []result.Table{table},
		Goals:  []result.Goal{size, goal("start to first byte at most 15 ms", seconds(start["shiplock"]), start["shiplock"] <= 15*time.Millisecond)},
	}
}

// sizes are those of a layer that holds the program and the certificates.
func sizes(t *testing.T, path string) (unpacked, packed int64) {
	t.Helper()
	var plain, small bytes.Buffer
	zip, err := gzip.NewWriterLevel(&small, gzip.BestCompression)
	require.NoError(t, err)
	layer := tar.NewWriter(&plain)
	stripped := filepath.Join(t.TempDir(), "program")
	require.NoError(t, exec.Command("strip", "-o", stripped, path).Run(), "some are built with their symbols")
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

// starts is the median time from the start of each program to its first byte.
func starts(t *testing.T, s scale) map[string]time.Duration {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	nowhere := *pgtest.New(t)
	nowhere.Port = l.Addr().(*net.TCPAddr).Port
	all := map[string][]time.Duration{}
	for _, tl := range peers(t) {
		dir := tl.folder(t, small(1))
		for range s.starts {
			all[tl.name] = append(all[tl.name], firstByte(t, l, tl.up(dir, &nowhere)))
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
	var said strings.Builder
	cmd.Stderr = &said
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
	require.NoErrorf(t, err, "%s: %s", cmd, said.String())
	require.NoError(t, conn.Close())
	return took
}
