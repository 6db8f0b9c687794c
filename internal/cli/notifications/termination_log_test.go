package notifications

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/test/messages"
)

func TestTerminationLog_Message_IsWritten(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "termination-log")
	require.NoError(t, os.WriteFile(file, []byte(strings.Repeat("message of an earlier run\n", 500)), 0o600))
	n := newNotifier(t, func(o *Options) { o.TerminationLog = file })
	read := func() string {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		return string(text)
	}
	require.Empty(t, n.Deliver(t.Context(), messages.Failure()))
	assert.Equal(t, messages.Failure().Report, read())
	require.Empty(t, n.Deliver(t.Context(), messages.Success()), "a success needs no option")
	assert.Equal(t, messages.Success().Report, read())
	long := messages.Failure()
	long.Report = strings.Repeat("é", 5000)
	require.Empty(t, n.Deliver(t.Context(), long))
	assert.LessOrEqual(t, len(read()), 4096)
	assert.True(t, strings.HasSuffix(read(), "é…"))
}

// Each file causes one warning within the timeout.
func TestDeliver_UnwritableFile_Warns(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	require.NoError(t, syscall.Mkfifo(fifo, 0o600))
	for name, c := range map[string]struct{ path, want string }{
		"missing directory": {filepath.Join(dir, "gone", "log"), "no such file or directory"},
		"a directory":       {dir, "is a directory"},
		"full":              {"/dev/full", "no space left on device"},
		"opening it blocks": {fifo, "did not complete within"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newNotifier(t, func(o *Options) {
				o.TerminationLog, o.Timeout = c.path, 300*time.Millisecond
			})
			start := time.Now()
			errs := n.Deliver(t.Context(), messages.Failure())
			assert.Less(t, time.Since(start), time.Minute)
			require.Len(t, errs, 1)
			assert.True(t, strings.HasPrefix(errs[0].Error(), "termination message: "), errs[0])
			assert.Contains(t, errs[0].Error(), c.want)
		})
	}
}
