package report

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/text"
)

func unchanged(s string) string { return s }

func TestFold_LongLine_KeepsAllText(t *testing.T) {
	for name, c := range map[string]struct {
		line string
		want []string
	}{
		"short":      {"a b", []string{"a b"}},
		"words":      {strings.Repeat("a", 150) + " " + strings.Repeat("b", 100), []string{strings.Repeat("a", 150) + " ", strings.Repeat("b", 100)}},
		"one word":   {strings.Repeat("a", 450), []string{strings.Repeat("a", 200), strings.Repeat("a", 200), strings.Repeat("a", 50)}},
		"characters": {"a" + strings.Repeat("é", 120), []string{"a" + strings.Repeat("é", 99), strings.Repeat("é", 21)}},
	} {
		t.Run(name, func(t *testing.T) { assert.Equal(t, c.want, fold(c.line)) })
	}
}

// The text above the caret starts with "bad".
func TestAddSQL_Offset_PutsCaretBelowIt(t *testing.T) {
	const secret = "s3cret and long"
	for name, sql := range map[string]string{
		"plain":          "SELECT bad FROM a",
		"at the start":   "bad",
		"tabs":           "SELECT\n\t\ta,\n\t\tbad\nFROM a",
		"CRLF":           "SELECT 1,\r\n  bad,\r\n  2",
		"wide":           "SELECT '日本語', '🚢', bad",
		"accents":        "SELECT 'e\u0301\u0301', bad",
		"zero width":     "SELECT\u200b 'x\ufeff' bad",
		"a joiner":       "SELECT '👩\u200d🚀', bad",
		"escapes":        "SELECT '\x1b[2J\x07', bad",
		"long before":    strings.Repeat("SELECT 'ü', ", 200) + "bad",
		"long after":     "SELECT bad" + strings.Repeat(", 1", 2000),
		"many lines":     strings.Repeat("-- x\n", 500) + "SELECT bad\n" + strings.Repeat("-- y\n", 500),
		"a secret":       "CREATE ROLE r PASSWORD '" + secret + "' bad",
		"a known secret": "SELECT '" + secret + "', bad",
		"invalid UTF-8":  "SELECT '\xff\xfe', bad",
	} {
		t.Run(name, func(t *testing.T) {
			c := Report{Title: "t"}
			c.AddSQL("statement", sql, strings.Index(sql, "bad"))
			c = c.sanitized(func(s string) string { return strings.ReplaceAll(s, secret, "xxxxx") })
			lines := strings.Split(c.String(), "\n")
			at := -1
			for i, line := range lines {
				if strings.TrimLeft(line, " ") == "^" {
					at = i
				}
			}
			require.Positive(t, at, c.String())
			left := len(lines[at]) - 1 // columns to the left of the caret
			rest := lines[at-1][len(text.Truncate(lines[at-1], left)):]
			assert.True(t, strings.HasPrefix(rest, "bad"), "%q\n%s", rest, c)
			assert.NotContains(t, c.String(), secret)
			assert.Less(t, len(lines), 15)
		})
	}
}

// The state and the advice are never cut, however long the other rows are.
func TestReport_LongRows_KeepsStateAndNext(t *testing.T) {
	for name, change := range map[string]func(*Report){
		"a long title":      func(c *Report) { c.Title = strings.Repeat("title ", 5000) },
		"a long detail":     func(c *Report) { c.Add("detail", strings.Repeat("detail ", 5000)) },
		"one long word":     func(c *Report) { c.Add("detail", strings.Repeat("ö", 50000)) },
		"a tool's output":   func(c *Report) { c.AddFolded("output", strings.Repeat("line\n", 5000)) },
		"wide SQL":          func(c *Report) { c.AddSQL("statement", strings.Repeat(strings.Repeat("日", 300)+"\n", 20), 9000) },
		"many long rows":    func(c *Report) { addManyRows(c, 30) },
		"a long next":       func(c *Report) { c.Rows[2].Text = strings.Repeat("next ", 5000) },
		"all rows are long": func(c *Report) { addManyRows(c, 5000); c.Rows[0].Text = strings.Repeat("state ", 5000) },
	} {
		t.Run(name, func(t *testing.T) {
			c := Report{Title: "t", Rows: []Row{{Name: "state", Text: "no changes"}, {Name: "release", Text: "stopped"}, {Name: "next", Text: "next step"}}}
			change(&c)
			out := c.sanitized(unchanged).String()
			assert.LessOrEqual(t, len(out), MaxSize)
			assert.Greater(t, len(out), 60)
			assert.True(t, utf8.ValidString(out))
			for _, want := range []string{"\n  state ", "\n  release ", "\n  next "} {
				assert.Contains(t, out, want)
			}
			if name == "wide SQL" {
				assert.Regexp(t, `\n +\^\n`, out)
			}
		})
	}
}

func addManyRows(c *Report, times int) {
	for _, name := range []string{"statement", "postgres", "detail", "hint", "context", "why", "blocked by", "schema"} {
		c.insert(name, strings.Repeat(name+" first line,\nsecond line; ", times), "state")
	}
	c.AddSQL("within", strings.Repeat("SELECT 1;\n", times), 10)
}

// Each line of a row is indented, whatever the text holds.
func TestReport_ControlCharacters_StayInRow(t *testing.T) {
	const hostile = "x\r\nshiplock: done\n\x1b[1A\u2028shiplock: done\u202e\x85\u2066\x00next  rm"
	c := Report{Title: hostile}
	c.Add("prose", hostile)
	c.AddVerbatim("verbatim", hostile)
	c.AddFolded("folded", hostile)
	c.AddSQL("statement", hostile, 3)
	c = c.sanitized(unchanged)
	for i, line := range strings.Split(strings.TrimSuffix(c.String(), "\n"), "\n") {
		assert.Equal(t, i > 0, strings.HasPrefix(line, "  "), line)
		assert.Equal(t, line, text.Clean(line))
	}
	data, err := json.Marshal(c)
	require.NoError(t, err)
	for _, r := range "\x1b\u202e\u2066\u2028\x00" {
		assert.NotContains(t, string(data), string(r))
	}
	assert.NotContains(t, string(data), `\u001b`)
	assert.NotContains(t, c.Title, "\n")
}

func TestReport_JSON_HasCodeTitleRows(t *testing.T) {
	c := Report{Code: 6, Title: "t"}
	c.AddSQL("statement", "SELECT bad", 7)
	c.Add("next", "do")
	data, err := json.Marshal(c.sanitized(unchanged))
	require.NoError(t, err)
	assert.JSONEq(t, `{"code":6,"title":"t","rows":[{"name":"statement","text":"SELECT bad\n       ^"},{"name":"next","text":"do"}]}`, string(data))
	data, err = json.Marshal(Report{Title: "t"}.sanitized(unchanged))
	require.NoError(t, err)
	assert.JSONEq(t, `{"code":0,"title":"t","rows":[]}`, string(data))
}

func TestWrite_Color_MarksTitleNamesAndAdvice(t *testing.T) {
	c := Report{Title: "t"}
	c.AddSQL("statement", "SELECT bad", 7)
	c.Add("next", "do\nthis")
	c = c.sanitized(unchanged)
	var b strings.Builder
	require.NoError(t, c.Write(&b, true))
	assert.Equal(t, "\x1b[1;31mshiplock: t\x1b[0m\n"+
		"  \x1b[2mstatement\x1b[0m  SELECT bad\n"+
		"             \x1b[1m       ^\x1b[0m\n"+
		"  \x1b[2mnext\x1b[0m       \x1b[1mdo\x1b[0m\n"+
		"             \x1b[1mthis\x1b[0m\n", b.String())
	b.Reset()
	require.NoError(t, c.Write(&b, false))
	assert.Equal(t, c.String(), b.String())
	assert.NotContains(t, b.String(), "\x1b")
}

func TestColorEnabled_Output_RequiresTerminal(t *testing.T) {
	terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	require.NoError(t, err)
	defer terminal.Close()
	pipe, _, err := os.Pipe()
	require.NoError(t, err)
	defer pipe.Close()
	env := func(pairs ...string) func(string) string {
		return func(name string) string {
			for i := 0; i < len(pairs); i += 2 {
				if pairs[i] == name {
					return pairs[i+1]
				}
			}
			return ""
		}
	}
	assert.True(t, ColorEnabled(terminal, env("TERM", "xterm")))
	assert.False(t, ColorEnabled(terminal, env("TERM", "xterm", "NO_COLOR", "1")))
	assert.False(t, ColorEnabled(terminal, env("TERM", "dumb")))
	assert.False(t, ColorEnabled(terminal, env()))
	assert.False(t, ColorEnabled(pipe, env("TERM", "xterm")))
	assert.False(t, ColorEnabled(&strings.Builder{}, env("TERM", "xterm")))
}
