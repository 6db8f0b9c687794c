package cli_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/lib/pq"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/test/fixture"
)

// injection imitates a log line, a row of the report, a GitHub workflow command, a metric, and Slack markup,
// and contains terminal control sequences.
const injection = "x\n  next       FORGED\nshiplock: FORGED; all is well\ntime=2026-11-21T10:00:00.000Z level=INFO msg=FORGED\n" +
	`{"time":"2026-11-21T10:00:00Z","level":"INFO","msg":"FORGED"}` + "\n::error::FORGED\n##[error]FORGED\nshiplock_schema_version 99\n```\n# FORGED\n" +
	"<!channel> <https:evil|FORGED> \x1b[2J\x1b]0;FORGED\x07\r\u202eDEGROF\u0085\u2028\u200b"

// forged matches lines that only Shiplock may write. The tests of internal/notify cover GitHub workflow
// commands, which may be indented.
var forged = regexp.MustCompile(`(?m)^(?:[ \t]{0,2}(?:next|state|why) +FORGED|shiplock: FORGED|time=\S+ level=\S+ msg=FORGED|shiplock_schema_version 99|# FORGED)`)

const controls = "\x1b\x07\u202e\u0085\u2028"

// injectionSources maps each source of external text to a run that includes the text.
var injectionSources = map[string]func(t *testing.T, flags []string) outcome{
	"error": func(t *testing.T, flags []string) outcome {
		w := newWorkspace(t, map[string]string{"1_x.up.sql": fmt.Sprintf("DO $do$ BEGIN RAISE EXCEPTION USING MESSAGE = %s, DETAIL = %[1]s, HINT = %[1]s; END $do$;", pq.QuoteLiteral(injection))})
		return w.run(append([]string{"up"}, flags...)...)
	},
	"notice": func(t *testing.T, flags []string) outcome {
		w := newWorkspace(t, map[string]string{"1_x.up.sql": fmt.Sprintf("DO $do$ BEGIN RAISE WARNING USING MESSAGE = %s; RAISE 'no'; END $do$;", pq.QuoteLiteral(injection))})
		return w.run(append([]string{"up"}, flags...)...)
	},
	"statement": func(t *testing.T, flags []string) outcome {
		w := newWorkspace(t, map[string]string{"1_x.up.sql": "SELECT nope, " + pq.QuoteLiteral(injection)})
		return w.run(append([]string{"up"}, flags...)...)
	},
	"object names": func(t *testing.T, flags []string) outcome {
		name := pq.QuoteIdentifier(injection[:60])
		w := newWorkspace(t, map[string]string{"1_x.up.sql": fmt.Sprintf("CREATE TABLE %s (%[1]s text CONSTRAINT %[1]s UNIQUE);\nINSERT INTO %[1]s VALUES (%[2]s), (%[2]s);", name, pq.QuoteLiteral(injection))})
		return w.run(append([]string{"up"}, flags...)...)
	},
	"file name": func(t *testing.T, flags []string) outcome {
		w := newWorkspace(t, nil)
		w.write("1_"+strings.ReplaceAll(injection, "/", "")[:200]+".up.sql", "SELECT nope")
		return w.run(append([]string{"up"}, flags...)...)
	},
	"blocking session": func(t *testing.T, flags []string) outcome {
		w := newWorkspace(t, map[string]string{"1_a.up.sql": "CREATE TABLE a (n int)"})
		w.mustExit(0, "up")
		tx, err := w.Open(t).Begin()
		require.NoError(t, err)
		defer func() { _ = tx.Rollback() }()
		for _, query := range []string{"SET application_name = " + pq.QuoteLiteral(injection), "SELECT " + pq.QuoteLiteral(injection) + " FROM a"} {
			_, err = tx.Exec(query)
			require.NoError(t, err)
		}
		w.write("2_b.up.sql", "ALTER TABLE a ADD COLUMN b int")
		return w.run(append([]string{"up", "--lock-timeout", "500ms", "--timeout", "15s"}, flags...)...)
	},
	"external tool": func(t *testing.T, flags []string) outcome {
		b := newToolFixture(t, "cat text; cat text >&2; exit 3")
		fixture.Write(t, b.dir, "text", injection+"\n")
		return b.run(flags...)
	},
}

// TestOutput_InjectedText_StaysInItsField checks every output for lines that the injected text adds.
func TestOutput_InjectedText_StaysInItsField(t *testing.T) {
	t.Parallel()
	for name, run := range injectionSources {
		for i, log := range []string{"text", "json"} {
			for _, hook := range [][]string{{"json", "slack"}, {"template", "slack"}}[i] {
				t.Run(strings.Join([]string{name, log, hook}, " "), func(t *testing.T) {
					t.Parallel()
					s := newOutputCapture(t)
					out := run(t, s.flags(log, hook))
					assert.NotZero(t, out.code)
					texts := s.texts(t, out)
					if name == "external tool" { // its own output is passed through with a mark
						assert.Contains(t, texts["standard error"], "| shiplock: FORGED")
						texts["standard error"], texts["standard output"] = ownLines(texts["standard error"], log), ""
					}
					delete(texts, "history 0")
					assertNotInjected(t, texts, log, hook)
				})
			}
		}
	}
}

// ownLines returns the lines of standard error after the output of the tool.
func ownLines(stderr, log string) string {
	if log == "json" {
		return stderr[strings.LastIndex(stderr, `{"time":"20`):]
	}
	return stderr[strings.LastIndex(stderr, "\nshiplock: ")+1:]
}

func assertNotInjected(t *testing.T, texts map[string]string, log, hook string) {
	t.Helper()
	for output, text := range texts {
		assert.NotRegexp(t, forged, text, output)
		assert.False(t, strings.ContainsAny(text, controls), "%s: %q", output, text)
	}
	if log == "json" {
		for line := range strings.Lines(texts["standard error"]) {
			var record map[string]any
			if assert.NoError(t, json.Unmarshal([]byte(line), &record), line) {
				assert.NotEqual(t, "FORGED", record["msg"])
			}
		}
	}
	for body := range strings.Lines(texts["webhook"]) {
		if strings.HasPrefix(body, "{") {
			assert.True(t, json.Valid([]byte(body)), body)
		}
	}
	if hook == "slack" {
		assert.NotContains(t, texts["webhook"], "<!channel")
		assert.NotContains(t, texts["webhook"], "<https:evil")
		assert.NotContains(t, texts["webhook"], `\u003c!channel`)
	}
}

// TestTables_InjectedText_StaysInItsCell covers the tables of status, plan, and history.
func TestTables_InjectedText_StaysInItsCell(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t, map[string]string{"1_x.up.sql": fmt.Sprintf("DO $do$ BEGIN RAISE EXCEPTION USING MESSAGE = %s; END $do$;", pq.QuoteLiteral(injection))})
	w.write("0_a.up.sql", "SELECT 1")
	w.mustExit(6, "up")
	w.Exec(t, fmt.Sprintf("UPDATE schema_migrations_history SET migration_name = %s, run_release = %[1]s, run_namespace = %[1]s, run_error = %[1]s, database_user = %[1]s", pq.QuoteLiteral(injection)))
	for _, args := range [][]string{{"status"}, {"status", "-o", "json"}, {"plan"}, {"plan", "-o", "json"}, {"history"}, {"history", "-o", "json"}} {
		args = append(args, "--database-url", w.URL())
		if args[0] != "history" {
			args = append(args, "--source", w.dir)
		}
		out := call(t.Context(), args...)
		assert.Zero(t, out.code, out.err)
		assertNotInjected(t, map[string]string{"standard output": out.stdout, "standard error": out.err}, "text", "")
		if slices.Contains(args, "json") {
			assert.True(t, json.Valid([]byte(out.stdout)), out.stdout)
		}
	}
}

// TestInjectionText_Unescaped_Detected checks the pattern itself.
func TestInjectionText_Unescaped_Detected(t *testing.T) {
	t.Parallel()
	assert.Len(t, forged.FindAllString(injection, -1), 5)
	assert.True(t, strings.ContainsAny(injection, controls))
}
