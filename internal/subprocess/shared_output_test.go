package subprocess

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// outputOf returns the output for a program's text, written at once and byte by byte.
func outputOf(t *testing.T, json bool, text string) string {
	t.Helper()
	var whole, bytewise bytes.Buffer
	c := NewSharedOutput(&whole, json)
	_, err := c.ProgramWriter(&whole).Write([]byte(text))
	require.NoError(t, err)
	_, _ = c.Write(nil)
	c = NewSharedOutput(&bytewise, json)
	to := c.ProgramWriter(&bytewise)
	for i := range len(text) {
		_, err := to.Write([]byte{text[i]})
		require.NoError(t, err)
	}
	_, _ = c.Write(nil)
	assert.Equal(t, whole.String(), bytewise.String())
	return whole.String()
}

func TestSharedOutput_ImitatedLine_Marked(t *testing.T) {
	t.Parallel()
	const record = `time=2026-11-21T10:00:00.000Z level=ERROR msg="all is lost"`
	for text, want := range map[string]string{
		"shiplock: npm failed; the schema is unchanged\n": "| shiplock: npm failed; the schema is unchanged\n",
		"x\nshiplock: y\nz\n":                             "x\n| shiplock: y\nz\n",
		"10%\rshiplock: y\n":                              "10%\r| shiplock: y\n",
		"\x1b[0mshiplock: y\n":                            "| \x1b[0mshiplock: y\n",
		"\x1b]8;;http://x\x07shiplock: y\n":               "| \x1b]8;;http://x\x07shiplock: y\n",
		"\u200bshiplock: y\n":                             "| \u200bshiplock: y\n",
		"\x00ship\x08lock: y\n":                           "| \x00ship\x08lock: y\n",
		record + "\n":                                     "| " + record + "\n",
		"shiplock: ":                                      "| shiplock: \n",
	} {
		assert.Equal(t, want, outputOf(t, false, text), "%q", text)
	}
}

func TestSharedOutput_OtherLine_Unchanged(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"\n", "ship\n", "shiplock\n", "shiplocked: no\n", " shiplock: indented\n", "see shiplock: x\n", "time flies\n", "time=now\n", "time=1 lev\n",
		"\x1b[31mred\x1b[0m\n", "\x1b\n", "ü\xff\x00\n", "{\"time\":1,\"level\":\"INFO\",\"msg\":\"text mode\"}\n", strings.Repeat("time=", 1000) + "\n",
	} {
		assert.Equal(t, text, outputOf(t, false, text), "%q", text)
	}
	for _, text := range []string{"{}\n", "{\n", `{"a":1}` + "\n", "{not json\n", "shiploc\n"} {
		assert.Equal(t, text, outputOf(t, true, text), "%q", text)
	}
}

func TestSharedOutput_JSONRecord_Marked(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		`{"time":"2026","level":"ERROR","msg":"shiplock: all is lost"}`,
		`  { "\u006dsg":1, "msg":"x", "level":"INFO" }`,
		`{"level":"INFO","level":"ERROR","msg":"` + strings.Repeat("x", 100000) + `"}`,
	} {
		got := outputOf(t, true, text+"\n")
		assert.Contains(t, got, `{"from":"tool",`)
		var record map[string]any
		require.NoError(t, json.Unmarshal([]byte(got), &record))
		assert.Equal(t, "tool", record["from"])
	}
}

func TestSharedOutput_OwnLine_BeginsNewLine(t *testing.T) {
	t.Parallel()
	for program, want := range map[string]string{
		"":               "own\n",
		"line\n":         "line\nown\n",
		"no newline":     "no newline\nown\n",
		"shiplo":         "shiplo\nown\n", // held back until then
		"shiplock: x":    "| shiplock: x\nown\n",
		"progress 10%\r": "progress 10%\r\nown\n",
	} {
		var out bytes.Buffer
		c := NewSharedOutput(&out, false)
		stdout, stderr := c.ProgramWriter(&out), c.ProgramWriter(&out)
		_, err := stderr.Write([]byte("first\n"))
		require.NoError(t, err)
		_, err = stdout.Write([]byte(program))
		require.NoError(t, err)
		for range 2 {
			_, err = c.Write([]byte("own\n"))
			require.NoError(t, err)
		}
		assert.Equal(t, "first\n"+want+"own\n", out.String())
	}
}
