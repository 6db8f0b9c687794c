package github

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/notify"
	"github.com/shiplock/shiplock/internal/test/messages"
)

// runnerCommands returns the workflow commands in the output of a step, parsed as by the runner (actions/runner,
// src/Runner.Common/ActionCommand.cs): two syntaxes, line by line.
func runnerCommands(text string) []string {
	var out []string
	for _, line := range regexp.MustCompile(`\r\n|\r|\n`).Split(text, -1) {
		trimmed := strings.TrimLeftFunc(line, unicode.IsSpace)
		if rest, ok := strings.CutPrefix(trimmed, "::"); ok {
			if info, _, ok := strings.Cut(rest, "::"); ok && known(info) {
				out = append(out, trimmed)
				continue
			}
		}
		if _, rest, ok := strings.Cut(line, "##["); ok {
			if info, _, ok := strings.Cut(rest, "]"); ok && known(info) {
				out = append(out, line)
			}
		}
	}
	return out
}

func known(info string) bool {
	name, _, _ := strings.Cut(info, " ")
	switch strings.ToLower(name) {
	case "error", "warning", "notice", "debug", "group", "endgroup", "stop-commands", "set-env", "add-path", "set-output", "save-state", "echo", "add-matcher", "remove-matcher":
		return true
	}
	return false
}

func TestRunnerCommands_Output_MatchesRunner(t *testing.T) {
	for _, text := range []string{"::error::x", " \t::error file=a::x", "\u00a0\u2003::error::x", "a\r::ERROR::x", "x ##[error]x", "###[group a=b]"} {
		assert.Len(t, runnerCommands(text), 1, "this test can fail: %q", text)
	}
}

// Hostile output is written in chunks of every size.
func TestFilter_Commands_AreEscaped(t *testing.T) {
	for _, text := range []string{
		"::error::forged", "\n  ::error file=a.sql,line=1::forged\n", "a\r::error::forged\r\n::stop-commands::x\n", "\u00a0\u3000\ufeff\x0b::error::x\n",
		"time=x msg=\"##[error]forged\"\n", "###[error]x\n##[[error]x\n####[error]\n", ":::error::x\n::::error::x\n: ::error::x\n", "\n\n::\n::error::x",
		"::add-mas::error::x\n::add-mask\n::error::x\n", "::add-mask::x\n::error::y\n", "\x00::error::x", "é::error::x\n\t\t::debug::x",
	} {
		require.NotEmpty(t, text)
		for size := 1; size <= len(text); size++ {
			var out bytes.Buffer
			f := &filter{to: &out}
			for i := 0; i < len(text); i += size {
				n, err := f.Write([]byte(text[i:min(i+size, len(text))]))
				require.NoError(t, err)
				require.Equal(t, min(size, len(text)-i), n)
			}
			require.NoError(t, f.Close())
			assert.Empty(t, runnerCommands(out.String()), "%q in pieces of %d", text, size)
			assert.Equal(t, strings.ReplaceAll(text, " ", ""), strings.ReplaceAll(out.String(), " ", ""), "only spaces are put in")
		}
	}
}

func FuzzFilter(f *testing.F) {
	f.Add("a\n::error::x", 3)
	f.Add("\r\n \t::add-mask::x\n##[error]", 1)
	f.Fuzz(func(t *testing.T, text string, size int) {
		var out bytes.Buffer
		w := &filter{to: &out}
		for i := 0; i < len(text); i += max(size, 1) {
			_, _ = w.Write([]byte(text[i:min(i+max(size, 1), len(text))]))
		}
		_ = w.Close()
		if got := runnerCommands(out.String()); len(got) > 0 {
			t.Errorf("%q gives %q", text, got)
		}
	})
}

func TestFilter_PlainOutput_IsUnchanged(t *testing.T) {
	const text = "level=INFO msg=\"x::y ##x\"\n  SELECT a::text, b::int[]\n# heading [x]\n::add-mask::a tool's secret\na::add-mask::b\n:\n:a::b\n"
	var out bytes.Buffer
	f := &filter{to: &out}
	for i := range len(text) {
		_, err := f.Write([]byte{text[i]})
		require.NoError(t, err)
	}
	assert.Equal(t, text, out.String())
}

func github(t *testing.T) (*Runner, *bytes.Buffer, string) {
	t.Helper()
	workspace := t.TempDir()
	var out bytes.Buffer
	g := New(environment(map[string]string{"GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": workspace}), &out)
	require.NotNil(t, g)
	return g, &out, workspace
}

func TestAnnotate_Message_NamesPosition(t *testing.T) {
	g, out, workspace := github(t)
	source := filepath.Join(workspace, "db", "migrations, new: 100%")
	require.NoError(t, os.MkdirAll(source, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(source, "0009_guest_accounts.up.sql"), nil, 0o600))
	m := messages.Failure()
	m.Title = "migration failed: 100%, a::b\n::error::forged"
	_, err := g.Out().Write([]byte("a line of a tool that does not end"))
	require.NoError(t, err)
	require.NoError(t, g.Annotate(m, source))
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	require.Len(t, lines, 2, "a line of its own, and one only: %s", out)
	assert.True(t, strings.HasPrefix(lines[1], "::error file=db/migrations%2C new%3A 100%25/0009_guest_accounts.up.sql,line=5,col=1,"+
		"title=migration failed%3A 100%25%2C a%3A%3Ab %3A%3Aerror%3A%3Aforged::migration  0009_guest_accounts.up.sql, line 5, column 1 (version 9 up)%0A"), lines[1])
	assert.Contains(t, lines[1], "%0Anext       correct")

	outside := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(outside, "0009_guest_accounts.up.sql"), nil, 0o600))
	for _, source := range []string{outside, workspace} {
		out.Reset()
		require.NoError(t, g.Annotate(m, source))
		assert.True(t, strings.HasPrefix(out.String(), "::error title="), "a file outside the repository has no position: %s", out)
	}

	out.Reset()
	require.NoError(t, g.Annotate(messages.Success(), source))
	assert.True(t, strings.HasPrefix(out.String(), "::notice title=shiplock::shiplock: database is at version 9"), out)
}

func TestWarn_Many_AreLimited(t *testing.T) {
	g, out, _ := github(t)
	for range 30 {
		require.NoError(t, g.Warn("a warning", "of\nmany", "", notify.Position{}))
	}
	assert.Equal(t, maxAnnotations, strings.Count(out.String(), "::warning title=a warning::of%0Amany\n"))
	assert.Nil(t, New(environment(nil), out))
}

func TestHandler_Warning_IsAnnotated(t *testing.T) {
	g, out, workspace := github(t)
	require.NoError(t, os.Mkdir(filepath.Join(workspace, "migrations"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(workspace, "migrations", "0002_x.up.sql"), nil, 0o600))
	var log bytes.Buffer
	l := slog.New(g.Handler(slog.NewTextHandler(&log, nil), filepath.Join(workspace, "migrations"))).With("with", "attributes").WithGroup("g")
	l.Info("nothing")
	l.Error("failure report")
	assert.Empty(t, out.String())
	l.Warn("loses data", "file", "0002_x.up.sql", "line", 7, "statement", "DROP TABLE a;\n::error::forged")
	assert.Equal(t, "::warning file=migrations/0002_x.up.sql,line=7,title=loses data::loses data%0Afile: 0002_x.up.sql%0Aline: 7%0Astatement: DROP TABLE a; ::error::forged\n", out.String())
	assert.Equal(t, 3, strings.Count(log.String(), "with=attributes"))
}
