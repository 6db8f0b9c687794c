package github

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/notify"
	"github.com/shiplock/shiplock/internal/test/fixture"
	"github.com/shiplock/shiplock/internal/test/messages"
)

// environment returns a Getenv without the variables of the machine.
func environment(values map[string]string) func(string) string {
	return func(name string) string { return values[name] }
}

// newNotifier returns a notifier whose only channel is the step's summary.
func newNotifier(t *testing.T, file string) *notify.Notifier {
	t.Helper()
	summary := StepSummary(environment(map[string]string{"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": file}))
	require.NotNil(t, summary)
	return notify.New(notify.Options{Timeout: time.Second, Channels: []notify.Channel{*summary}})
}

func TestStepSummary_Message_MatchesGolden(t *testing.T) {
	for name, m := range messages.All() {
		fixture.Golden(t, name+".summary", summary(m))
	}
}

// Each file causes one warning within the timeout.
func TestStepSummary_UnwritableFile_Warns(t *testing.T) {
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
			start := time.Now()
			errs := newNotifier(t, c.path).Deliver(t.Context(), messages.Failure())
			assert.Less(t, time.Since(start), time.Minute)
			require.Len(t, errs, 1)
			assert.True(t, strings.HasPrefix(errs[0].Error(), "GitHub step summary: "), errs[0])
			assert.Contains(t, errs[0].Error(), c.want)
		})
	}
}

func TestStepSummary_Message_IsFenced(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "summary.md")
	require.NoError(t, os.WriteFile(file, []byte("# Summary of an earlier step\n"), 0o600))
	n := newNotifier(t, file)
	m := messages.Failure()
	m.Report = "shiplock: failed\n  statement  ```\n             ~~~~\n             `````\n             # heading <script>\n"
	require.Empty(t, n.Deliver(t.Context(), m))
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.True(t, strings.HasPrefix(string(text), "# Summary of an earlier step\n\n### Database migrations: failed\n\n``````text\nshiplock: "), string(text))
	assert.Equal(t, 2, strings.Count(string(text), "``````"), "the report cannot close the fence")
	assert.True(t, strings.HasSuffix(string(text), "\n``````\n"))
}
