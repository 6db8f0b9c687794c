package notify

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
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
	require.Empty(t, n.Deliver(t.Context(), failureMessage()))
	assert.Equal(t, failureMessage().Report, read())
	require.Empty(t, n.Deliver(t.Context(), successMessage()), "a success needs no option")
	assert.Equal(t, successMessage().Report, read())
	long := failureMessage()
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
				o.Getenv = environment(map[string]string{"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": c.path})
			})
			start := time.Now()
			errs := n.Deliver(t.Context(), failureMessage())
			assert.Less(t, time.Since(start), time.Minute)
			require.Len(t, errs, 2)
			for i, channel := range []string{"termination message: ", "GitHub step summary: "} {
				assert.True(t, strings.HasPrefix(errs[i].Error(), channel), errs[i])
				assert.Contains(t, errs[i].Error(), c.want)
			}
		})
	}
}

func TestStepSummary_Message_IsFenced(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "summary.md")
	require.NoError(t, os.WriteFile(file, []byte("# Summary of an earlier step\n"), 0o600))
	n := newNotifier(t, func(o *Options) {
		o.Getenv = environment(map[string]string{"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": file})
	})
	m := failureMessage()
	m.Report = "shiplock: failed\n  statement  ```\n             ~~~~\n             `````\n             # heading <script>\n"
	require.Empty(t, n.Deliver(t.Context(), m))
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.True(t, strings.HasPrefix(string(text), "# Summary of an earlier step\n\n### Database migrations: failed\n\n``````text\nshiplock: "), string(text))
	assert.Equal(t, 2, strings.Count(string(text), "``````"), "the report cannot close the fence")
	assert.True(t, strings.HasSuffix(string(text), "\n``````\n"))
}
