package cli_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/lib/pq"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/test/fixture"
	"github.com/shiplock/shiplock/internal/test/pgtest"
)

// marks are parts of the secrets in these tests, in every encoding in which they may appear. The first is
// in the password of every database of pgtest.
var marks = func() []string {
	var out []string
	for _, word := range []string{"s3cret", "m4rkhook", "m4rktoken", "m4rkpush", "m4rksql"} {
		out = append(out, word, hex.EncodeToString([]byte(word)))
		for shift := range 3 { // the base64 encoding of a word depends on its offset
			text := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", shift) + word))
			out = append(out, text[(shift*8+5)/6:len(word)/3*4])
		}
	}
	return out
}()

// structs matches the output of a Go value that was not formatted.
var structs = regexp.MustCompile(`\{cfg:|[^$]&\{[^}]*:|\b0x[0-9a-f]{9,}\b|%!.?\(|\bmap\[\w+:`)

// leaks returns the secrets in the outputs.
func leaks(outputs map[string]string, marks []string) []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(outputs)) {
		text := outputs[name]
		for _, mark := range marks {
			if at := strings.Index(text, mark); at >= 0 {
				out = append(out, fmt.Sprintf("%s has %q: …%s…", name, mark, text[max(0, at-60):min(len(text), at+60)]))
			}
		}
		if at := structs.FindStringIndex(text); at != nil {
			out = append(out, fmt.Sprintf("%s has a structure: …%s…", name, text[max(0, at[0]-60):min(len(text), at[1]+60)]))
		}
	}
	return out
}

// An outputCapture receives everything that a run outputs.
type outputCapture struct {
	t          *testing.T
	hook, push *receiver
	dir        string
	files      []string
}

func newOutputCapture(t *testing.T) *outputCapture {
	t.Helper()
	s := &outputCapture{t: t, hook: newReceiver(t), push: newReceiver(t), dir: t.TempDir()}
	s.files = []string{filepath.Join(s.dir, "termination-log")}
	return s
}

// flags returns the flags for all outputs, each with a secret, and for debug logging.
func (s *outputCapture) flags(log, hook string) []string {
	push := strings.Replace(s.push.URL, "http://", "http://user:m4rkpush@", 1)
	flags := []string{"--log-level", "debug", "--log-format", log, "--webhook-url", s.hook.URL + "/m4rkhook?key=m4rkhook", "--webhook-token", "m4rktoken",
		"--pushgateway-url", push, "--termination-log", s.files[0], "--notify-success", "--notify-timeout", "2m"}
	if hook == "template" {
		file := filepath.Join(s.dir, "template")
		require.NoError(s.t, os.WriteFile(file, []byte(`{"all": {{json .}}, "text": {{json (printf "%s %v" .title .report)}}}`), 0o600))
		return append(flags, "--webhook-template", file)
	}
	return append(flags, "--webhook-format", hook)
}

// texts returns the captured outputs and the contents of the history tables.
func (s *outputCapture) texts(t *testing.T, out outcome) map[string]string {
	t.Helper()
	texts := map[string]string{"standard output": out.stdout, "standard error": out.err,
		"webhook": strings.ReplaceAll(strings.Join(s.hook.take(), "\n"), "/m4rkhook\n", "\n"), "metrics": strings.Join(s.push.take(), "\n")}
	for _, file := range s.files {
		text, err := os.ReadFile(file)
		if err == nil {
			texts[filepath.Base(file)] = string(text)
			require.NoError(t, os.Truncate(file, 0))
		}
	}
	for i, d := range pgtest.Databases(t) {
		texts[fmt.Sprintf("history %d", i)] = historyTables(d)
	}
	return texts
}

// historyTables returns the contents and definitions of Shiplock's tables, or "" if the database does
// not exist.
func historyTables(d *pgtest.Database) string {
	var text string
	_ = d.Admin().QueryRow(`SELECT coalesce(string_agg(query_to_xml('SELECT * FROM ' || c.oid::regclass, true, true, '')::text, ''), '')
		FROM pg_class c WHERE relkind = 'r' AND relname LIKE '%migrations%'`).Scan(&text)
	return text
}

// TestSecrets_EachFailureCause_NotLeaked runs every cause of failure with every output, with a text log and
// a JSON log.
func TestSecrets_EachFailureCause_NotLeaked(t *testing.T) {
	t.Parallel()
	hooks := []string{"json", "slack", "template"}
	for i, c := range causes() {
		for j, log := range []string{"text", "json"} {
			if testing.Short() && j != i%2 {
				continue
			}
			t.Run(c.name+" "+log, func(t *testing.T) {
				t.Parallel()
				s := newOutputCapture(t)
				out := c.run(t, s.flags(log, hooks[(i+j)%len(hooks)])...)
				assert.Equal(t, c.code, out.code, out.err)
				texts := s.texts(t, out)
				assert.Empty(t, leaks(texts, marks))
				for _, output := range []string{"standard error", "webhook", "metrics", "termination-log"} {
					assert.NotEmpty(t, texts[output], "%s: %s", output, out.err)
				}
			})
		}
	}
}

// TestSecrets_PlantedMarker_Detected checks that the search finds a word that is not a secret.
func TestSecrets_PlantedMarker_Detected(t *testing.T) {
	t.Parallel()
	for _, hook := range []string{"json", "slack", "template"} {
		t.Run(hook, func(t *testing.T) {
			t.Parallel()
			w, s := newWorkspace(t, map[string]string{"1_a.up.sql": "SELECT 1", "2_b.up.sql": "DO $$ BEGIN RAISE 'pl4nted'; END $$"}), newOutputCapture(t)
			texts := s.texts(t, w.mustExit(6, append([]string{"up"}, s.flags("text", hook)...)...))
			found := leaks(texts, []string{"pl4nted"})
			for _, output := range []string{"standard error", "webhook", "termination-log", "history 0"} {
				assert.True(t, slices.ContainsFunc(found, func(l string) bool { return strings.HasPrefix(l, output) }), "%s: %v", output, found)
			}
			assert.NotEmpty(t, leaks(texts, []string{"shiplock_last_run"}), "metrics")
		})
	}
	d := pgtest.New(t)
	for _, text := range []string{d.Password, d.URL(), base64.StdEncoding.EncodeToString([]byte(d.URL())), base64.StdEncoding.EncodeToString([]byte("x" + d.Password)),
		hex.EncodeToString([]byte(d.Password)), fmt.Sprintf("%+v", struct{ cfg pq.Config }{}), fmt.Sprintf("%p", d), "%!d(string=x)"} {
		assert.NotEmpty(t, leaks(map[string]string{"x": text}, marks), text)
	}
}

// TestSecrets_EachCommand_NotLeaked runs each command with success and failure, with each source of the
// password.
func TestSecrets_EachCommand_NotLeaked(t *testing.T) {
	t.Parallel()
	for _, way := range []string{"URL", "libpq", "command", "file", "pass file", "URL file"} {
		for _, log := range []string{"text", "json"} {
			t.Run(way+" "+log, func(t *testing.T) {
				t.Parallel()
				w, s := newWorkspace(t, map[string]string{"1_a.up.sql": "CREATE TABLE a (n int)", "1_a.down.sql": "DROP TABLE a"}), newOutputCapture(t)
				flags := map[string][]string{
					"URL":   {"--database-url", w.URL()},
					"libpq": {"--database-url", fmt.Sprintf("host=%s port=%d user='%s' dbname='%s' sslmode=disable password='%s'", w.Host, w.Port, w.User, w.Name, strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(w.Password))},
				}[way]
				set := func(string) {}
				if flags == nil {
					from := passwordSources(t, w.Database)[way]
					flags, set = from.flags, from.set
				}
				set(w.Password)
				run := func(code int, args ...string) {
					t.Helper()
					all := slices.Concat(args[:1], flags, []string{"--log-level", "debug", "--log-format", log})
					if args[0] != "status" && args[0] != "plan" {
						more := s.flags(log, "template")
						if i := slices.Index(more, "--pushgateway-url"); args[0] == "wait" || args[0] == "repair" { // which push no metrics
							more = slices.Delete(more, i, i+2)
						}
						all = slices.Concat(all, more)
					}
					if args[0] != "exec" {
						all = append(all, "--source", w.dir)
					}
					out := call(t.Context(), append(all, args[1:]...)...)
					assert.Equal(t, code, out.code, "%v: %s", args, out.err)
					assert.Empty(t, leaks(s.texts(t, out), marks), args)
				}
				run(0, "up")
				run(0, "status")
				run(0, "status", "-o", "json")
				run(0, "plan")
				run(0, "wait")
				w.write("2_b.up.sql", "CREATE ROLE missing_role LOGIN PASSWORD 'm4rksql' NOPE")
				run(6, "up")
				run(0, "status", "-o", "json")
				w.write("2_b.up.sql", "-- shiplock:no-transaction\nSELECT 'postgres://u:m4rksql@h/d' AS \"m\";\nSELECT nope;")
				run(7, "up")
				run(0, "repair", "--rolled-back")
				run(5, "repair", "--applied")
				run(0, "down", "--to", "0")
				tool := filepath.Join(w.dir, "tool")
				require.NoError(t, os.WriteFile(tool, []byte("#!/bin/sh\ncat <<'END'\n"+w.URL()+" "+w.Password+"\nEND\nexit $1"), 0o700))
				run(0, "exec", "--", tool, "0")
				run(6, "exec", "--", tool, "3", "--password="+w.Password)
				if way == "URL" || way == "libpq" { // the password in a file has not been read yet
					run(2, "exec", "--", w.Password+"/no-such-tool")
				}
				run(124, "exec", "--timeout", "1s", "--", "sleep", "60")
				changePassword(t, w.Database, "another")
				run(2, "up")
				run(2, "wait", "--timeout", "1m")
				run(2, "status")
				set("another")
				run(2, "up", "--log-level", "m4rkhook-is-no-level")
			})
		}
	}
}

// startAPIServer starts a Kubernetes API server that receives Events, and sets the environment of a pod.
func startAPIServer(t *testing.T, s *outputCapture) {
	t.Helper()
	events := &receiver{}
	events.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text := new(strings.Builder)
		_ = r.Write(text)
		file := filepath.Join(s.dir, "event")
		body := text.String()[strings.Index(text.String(), "\r\n\r\n"):] // the header contains the token
		if err := os.WriteFile(file, []byte(body), 0o600); err != nil {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		w.WriteHeader(http.StatusCreated)
	}))
	t.Cleanup(events.Close)
	s.files = append(s.files, filepath.Join(s.dir, "event"))
	address, err := url.Parse(events.URL)
	require.NoError(t, err)
	t.Setenv("KUBERNETES_SERVICE_HOST", address.Hostname())
	t.Setenv("KUBERNETES_SERVICE_PORT", address.Port())
	root := t.TempDir()
	account := filepath.Join(root, "var", "run", "secrets", "kubernetes.io", "serviceaccount")
	require.NoError(t, os.MkdirAll(account, 0o700))
	for name, text := range map[string]string{"token": "m4rktoken", "namespace": "shop",
		"ca.crt": string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: events.Certificate().Raw}))} {
		require.NoError(t, os.WriteFile(filepath.Join(account, name), []byte(text), 0o600))
	}
	filesRoot = root
	t.Cleanup(func() { filesRoot = "" })
}

// TestSecrets_PodAndPipeline_NotLeaked covers outputs that the environment enables: Events, GitHub
// annotations, and the step summary.
func TestSecrets_PodAndPipeline_NotLeaked(t *testing.T) {
	s := newOutputCapture(t)
	startAPIServer(t, s)
	summary := filepath.Join(s.dir, "summary")
	s.files = append(s.files, summary)
	for name, value := range map[string]string{"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": summary, "GITHUB_WORKSPACE": s.dir, "SHIPLOCK_JOB": "migrate", "SHIPLOCK_JOB_UID": "1",
		"SHIPLOCK_KUBERNETES_EVENT": "true", "SHIPLOCK_WEBHOOK_URL": s.hook.URL + "/m4rkhook", "SHIPLOCK_WEBHOOK_TOKEN": "m4rktoken", "SHIPLOCK_LOG_LEVEL": "debug",
		"SHIPLOCK_PUSHGATEWAY_URL": strings.Replace(s.push.URL, "http://", "http://user:m4rkpush@", 1), "SHIPLOCK_TERMINATION_LOG": s.files[0]} {
		t.Setenv(name, value)
	}
	require.NoError(t, os.WriteFile(summary, nil, 0o600))
	for _, c := range fileCauses() {
		t.Run(c.name, func(t *testing.T) {
			out := c.run(t)
			assert.Equal(t, c.code, out.code, out.err)
			texts := s.texts(t, out)
			assert.Empty(t, leaks(texts, marks))
			for _, output := range []string{"standard error", "webhook", "metrics", "termination-log", "event", "summary"} {
				assert.NotEmpty(t, texts[output], "%s: %s", output, out.err)
			}
		})
	}
	d := pgtest.New(t)
	for name, value := range map[string]string{"PGHOST": d.Host, "PGPORT": fmt.Sprint(d.Port), "PGUSER": d.User, "PGDATABASE": d.Name, "PGSSLMODE": "disable", "PGPASSWORD": d.Password} {
		t.Setenv(name, value)
	}
	dir := fixture.FileMap(t, map[string]string{"1_a.up.sql": "DO $$ BEGIN RAISE 'pl4nted'; END $$"})
	for _, args := range [][]string{{"up", "--source", dir}, {"status", "--source", dir}, {"exec", "--", "sh", "-c", `echo "$PGPASSWORD"; env; exit 3`}} {
		texts := s.texts(t, call(t.Context(), args...))
		assert.Empty(t, leaks(texts, marks), args)
		if args[0] == "up" {
			for _, output := range []string{"standard error", "webhook", "termination-log", "event", "summary"} {
				assert.NotEmpty(t, leaks(map[string]string{output: texts[output]}, []string{"pl4nted"}), "must be found in %s", output)
			}
		}
	}
}

// TestSecrets_OtherSessions_NotVisible checks what another role sees in pg_stat_activity.
func TestSecrets_OtherSessions_NotVisible(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t, map[string]string{"1_a.up.sql": "ALTER ROLE CURRENT_USER PASSWORD 'm4rksql';\nSELECT pg_sleep(60);"})
	other := pgtest.New(t)
	stderr, done := background(t.Context(), append([]string{"up", "--source", w.dir, "--database-url", w.URL()}, newOutputCapture(t).flags("text", "json")...)...)
	fixture.Eventually(t, w.Database, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'", "1")
	var seen string
	require.NoError(t, other.Open(t).QueryRow("SELECT string_agg(a::text, E'\\n') FROM pg_stat_activity a").Scan(&seen))
	assert.Contains(t, seen, "shiplock")
	assert.Empty(t, leaks(map[string]string{"pg_stat_activity": seen}, marks))
	w.Exec(t, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'")
	<-done
	assert.Empty(t, leaks(map[string]string{"standard error": stderr.String()}, marks))
}

// TestSecrets_InvalidSettings_NotLeaked covers settings in which the secret itself is invalid.
func TestSecrets_InvalidSettings_NotLeaked(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t, map[string]string{"1_a.up.sql": "SELECT 1"})
	for _, flags := range [][]string{
		{"--webhook-url", "ftp://h/m4rkhook"}, {"--webhook-url", "m4rkhook"}, {"--webhook-url", "http://[::1/m4rkhook"}, {"--webhook-url", "http://127.0.0.1:1/m4rkhook", "--webhook-token", "m4rktoken\n"},
		{"--pushgateway-url", "http://u:m4rkpush@h:x"}, {"--pushgateway-url", "u:m4rkpush"}, {"--webhook-url", "http://u:m4rkhook@127.0.0.1:1/m4rkhook"},
		{"--pushgateway-url", "http://u:m4rkpush@127.0.0.1:1/"}, {"--database-url", "mysql://u:s3cret@h/d"}, {"--database-url", "postgres://u:s3cret@h:x/d"}, {"--database-url", "host=h password=s3cret port=x"},
		{"--database-url", "postgres://u:s3cret@127.0.0.1:1/d", "--wait-for-db", "0s"}, {"postgres://u:s3cret@h/d"}, {"password=s3cret"}, {"--databse-url=postgres://u:s3cret@h/d"}, {"--timeout", "postgres://u:s3cret@h/d"}, {"--password-command", "s3cret 'x"}, {"--password-command", "no-such-thing s3cret"},
	} {
		for _, log := range []string{"text", "json"} {
			args := append([]string{"up", "--source", w.dir, "--database-url", w.URL(), "--log-level", "debug", "--log-format", log, "--notify-timeout", "1s", "--notify-success"}, flags...)
			out := call(t.Context(), args...)
			assert.Empty(t, leaks(map[string]string{"standard error": out.err, "standard output": out.stdout}, marks), flags)
		}
	}
}
