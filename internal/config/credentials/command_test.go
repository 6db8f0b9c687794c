package credentials

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseCommand_ShellQuoting_Split(t *testing.T) {
	c, err := ParseCommand(`printf '%s' "it's" 'it'\''s' '' a\ b '$(HOME) | ;'`)
	require.NoError(t, err)
	assert.Equal(t, []string{"printf", "%s", "it's", "it's", "", "a b", "$(HOME) | ;"}, c.args)
}

func TestPasswordCommand(t *testing.T) {
	t.Parallel()
	run := func(script string) (string, error) {
		c, err := ParseCommand("sh -c '" + strings.ReplaceAll(script, "'", `'\''`) + "'")
		require.NoError(t, err)
		c.limit = time.Minute
		if strings.Contains(script, "sleep") {
			c.limit = 3 * time.Second // a busy machine has to start the shell
		}
		l, err := c.Login(t.Context())
		return l.Password, err
	}
	for script, want := range map[string]string{
		"echo secret":                    "secret",
		`printf 'a b\r\n'`:               "a b",
		"printf ' x '":                   " x ",
		`printf %s "$PATH"`:              os.Getenv("PATH"),
		"echo noise >&2; echo p":         "p",
		`printf '%s' "$(printf 'ü@/:')"`: "ü@/:",
	} {
		got, err := run(script)
		require.NoError(t, err, script)
		assert.Equal(t, want, got, script)
	}
	for script, want := range map[string]string{
		"exit 3": "password command sh: failed with exit code 3",
		"echo marked; echo first >&2; echo 'no marked token: password=hunter2' >&2; echo >&2; exit 1": "failed with exit code 1: no xxxxx token: password=xxxxx",
		"kill -9 $$":                                "ended by signal 9",
		"true":                                      "printed nothing",
		"echo marked; echo more":                    "printed 2 lines; want only the password",
		"head -c 100000 /dev/zero | tr '\\0' x":     "printed more than 64 kB",
		`printf 'marked\0x'`:                        "NUL byte",
		"echo from stderr >&2; sleep 60":            "did not exit within 3s: from stderr",
		"sleep 60 & echo from a child >&2; wait":    "did not exit within 3s: from a child",
		"trap '' TERM; while :; do sleep 1; done":   "did not exit within 3s",
		"yes x | head -c 1000000 >&2; exit 1":       "failed with exit code 1: x",
		"printf 'no newline \\033[31m' >&2; exit 1": "failed with exit code 1: no newline",
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			_, err := run(script)
			var e *Error
			require.ErrorAs(t, err, &e)
			assert.Contains(t, e.Error(), want)
			assert.NotContains(t, e.Error(), "marked")
			assert.True(t, e.Command)
			assert.NotEmpty(t, e.Next)
		})
	}
}

func TestPasswordCommand_ContextEnds_Killed(t *testing.T) {
	c, err := ParseCommand("sleep 60")
	require.NoError(t, err)
	c.limit = time.Minute
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err = c.Login(ctx)
	assert.ErrorIs(t, err, context.DeadlineExceeded)
}
