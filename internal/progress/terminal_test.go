package progress

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/test/terminal"
)

// immediate has intervals at which every status is shown.
var immediate = Intervals{MaxInterval: time.Millisecond}

func newTestBar(t *testing.T, columns int) (*terminal.Terminal, *Terminal, *Display) {
	t.Helper()
	pty := terminal.New(t, columns, 24)
	term, ok := NewTerminal(pty.Device)
	require.True(t, ok)
	d := NewBar(term, immediate, func(s string) string { return strings.ReplaceAll(s, "s3cret", "xxxxx") })
	t.Cleanup(d.Close)
	return pty, term, d
}

func barStatus(text string) Status { return Status{Message: text, Facts: []Fact{{Bar: text}}} }

func eventually(t *testing.T, pty *terminal.Terminal, ok func([]string) bool) {
	t.Helper()
	if !assert.Eventually(t, func() bool { return ok(pty.Screen()) }, time.Minute, 5*time.Millisecond) {
		t.Fatalf("on the screen:\n%s\nsent: %q", pty.Text(), pty.Sent())
	}
}

func lastLine(lines []string) string {
	if len(lines) == 0 {
		return ""
	}
	return lines[len(lines)-1]
}

// Concurrent log lines appear above the bar, and nothing of the bar remains at the end.
func TestTerminal_ConcurrentLog_StaysAboveBar(t *testing.T) {
	t.Parallel()
	pty, term, d := newTestBar(t, 60)
	work := d.Start()
	work.Show(barStatus("0001_rooms.up.sql"))
	eventually(t, pty, func(s []string) bool { return strings.HasPrefix(lastLine(s), "0001_rooms.up.sql  0s") })

	var want []string
	var writers sync.WaitGroup
	for w := range 4 {
		for n := range 25 {
			want = append(want, fmt.Sprintf("line %d of %d", n, w))
		}
		writers.Go(func() {
			out := []io.Writer{term, term.Writer(pty.Device)}[w%2]
			for n := range 25 {
				fmt.Fprintf(out, "line %d of %d\n", n, w)
				work.Show(barStatus(fmt.Sprintf("0001_rooms.up.sql %d", n)))
			}
		})
	}
	writers.Wait()
	eventually(t, pty, func(s []string) bool { return len(s) == len(want)+1 && strings.HasPrefix(lastLine(s), "0001_rooms") })
	work.End()
	eventually(t, pty, func(s []string) bool { return len(s) == len(want) })
	assert.ElementsMatch(t, want, pty.Screen())
}

// The window becomes narrow while it shows a bar, and wide again.
func TestTerminal_Resize_RedrawsBar(t *testing.T) {
	t.Parallel()
	pty, term, d := newTestBar(t, 80)
	_, err := fmt.Fprintln(term, "a line of the log that stays as it is")
	require.NoError(t, err)
	d.Start().Show(barStatus(strings.Repeat("long ", 14)))
	eventually(t, pty, func(s []string) bool { return strings.HasSuffix(lastLine(s), "0s") })
	for _, columns := range []int{30, 100, 12, 7, 80} {
		pty.Resize(t, columns, 24)
		eventually(t, pty, func(s []string) bool {
			return len(s) == 2 && s[0] == "a line of the log that stays as it is" && len(s[1]) < columns && strings.HasPrefix(s[1], "long ")
		})
	}
	d.Close()
	eventually(t, pty, func(s []string) bool { return len(s) == 1 })
}

// The bar would overwrite a line without a newline.
func TestTerminal_UnfinishedLine_HidesBar(t *testing.T) {
	t.Parallel()
	pty, term, d := newTestBar(t, 60)
	d.Start().Show(barStatus("working"))
	eventually(t, pty, func(s []string) bool { return strings.HasPrefix(lastLine(s), "working") })
	_, err := io.WriteString(term, "Continue? ")
	require.NoError(t, err)
	term.Draw(func(int) string { return "over the question" }) // as after redrawInterval
	_, err = io.WriteString(term, "yes\n")
	require.NoError(t, err)
	eventually(t, pty, func(s []string) bool { return s[0] == "Continue? yes" && strings.HasPrefix(lastLine(s), "working") })
	assert.Contains(t, pty.Sent(), "Continue? yes", "nothing in between")
}

// A name cannot move the cursor or be wider than the window.
func TestTerminal_ControlCharacters_StayOnBar(t *testing.T) {
	t.Parallel()
	pty, term, d := newTestBar(t, 40)
	_, err := fmt.Fprintln(term, "above")
	require.NoError(t, err)
	d.Start().Show(Status{Facts: []Fact{{Bar: "s3cret"}, {Bar: "1_\x1b[2J\x1b[1A\r\nforged\u009b2K\u202e漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字"}}})
	eventually(t, pty, func(s []string) bool { return len(s) == 2 && strings.Contains(s[1], "forged") })
	assert.Equal(t, "above", pty.Screen()[0])
	assert.NotContains(t, pty.Text(), "unknown sequence")
	assert.NotContains(t, pty.Sent(), "s3cret")
	assert.LessOrEqual(t, len([]rune(pty.Screen()[1])), 40)
}

// The newest activity is shown, and after its end the one before it.
func TestDisplay_NestedActivity_ShowsNewest(t *testing.T) {
	t.Parallel()
	pty, _, d := newTestBar(t, 60)
	work := d.Start()
	work.Show(barStatus("working"))
	wait := d.StartWait()
	eventually(t, pty, func(s []string) bool { return strings.HasPrefix(lastLine(s), "working") })
	wait.Show(barStatus("waiting"))
	eventually(t, pty, func(s []string) bool { return strings.HasPrefix(lastLine(s), "waiting") })
	wait.End()
	eventually(t, pty, func(s []string) bool { return strings.HasPrefix(lastLine(s), "working") })
	work.End()
	work.Show(barStatus("too late"))
	eventually(t, pty, func(s []string) bool { return len(s) == 0 })
	d.Close()
	d.Close()
}

func TestNewTerminal_File_ReturnsFalse(t *testing.T) {
	t.Parallel()
	file, err := os.CreateTemp(t.TempDir(), "")
	require.NoError(t, err)
	defer file.Close()
	null, err := os.Open(os.DevNull)
	require.NoError(t, err)
	defer null.Close()
	for _, f := range []*os.File{file, null, nil} {
		_, ok := NewTerminal(f)
		assert.False(t, ok)
	}
}
