package source_test

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/source"
)

// BenchmarkCatalog_TenThousandFiles measures a run before its first query: reading the names
// of 10,000 migrations, and every byte of them.
func BenchmarkCatalog_TenThousandFiles(b *testing.B) {
	dir := b.TempDir()
	for i := range 10_000 {
		for _, direction := range []string{"up", "down"} {
			name := fmt.Sprintf("%05d_table_%d.%s.sql", i, i, direction)
			require.NoError(b, os.WriteFile(filepath.Join(dir, name), fmt.Appendf(nil, "CREATE TABLE t%d (id bigint PRIMARY KEY, name text NOT NULL);\n", i), 0o600))
		}
	}
	c, err := source.Open(dir, source.FailUnrecognized)
	require.NoError(b, err)
	b.Run("Open", func(b *testing.B) {
		b.ReportAllocs()
		before := cpu(b)
		for b.Loop() {
			_, err := source.Open(dir, source.FailUnrecognized)
			require.NoError(b, err)
		}
		b.ReportMetric(float64((cpu(b)-before).Microseconds())/float64(b.N), "cpu-µs/op")
	})
	b.Run("Digest", func(b *testing.B) {
		b.ReportAllocs()
		before := cpu(b)
		for b.Loop() {
			_, err := c.Digest()
			require.NoError(b, err)
		}
		b.ReportMetric(float64((cpu(b)-before).Microseconds())/float64(b.N), "cpu-µs/op")
	})
}

// cpu returns the CPU time of this process: on a shared machine, wall time is not meaningful.
func cpu(b *testing.B) time.Duration {
	var usage syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
