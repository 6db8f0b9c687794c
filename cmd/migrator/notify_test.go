package main

import (
	"encoding/json"
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/pgtest"
)

// hook is a receiver of webhooks: each body goes to got, and handle answers.
func hook(t *testing.T, handle http.HandlerFunc) (url string, got chan string) {
	t.Helper()
	got = make(chan string, 100)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got <- string(body)
		handle(w, r)
	}))
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s.URL, got
}

// hang answers nothing until the other side gives up.
func hang(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// upTelling runs "up" on one migration with a webhook. said is what it has written to
// standard error so far.
func upTelling(t *testing.T, d *pgtest.Database, sql, url string, env ...string) (cmd *exec.Cmd, said func() string) {
	t.Helper()
	stderr, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = stderr.Close() })
	cmd = exec.Command(binary, "up", "--source", folder(t, sql))
	cmd.Env = append([]string{"DATABASE_URL=" + d.URL(), "SHIPLOCK_WEBHOOK_URL=" + url + "/T0MARKED"}, env...)
	cmd.Stderr = stderr
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	return cmd, func() string {
		text, err := os.ReadFile(stderr.Name())
		require.NoError(t, err)
		return string(text)
	}
}

func take(t *testing.T, got chan string) map[string]any {
	t.Helper()
	select {
	case body := <-got:
		var m map[string]any
		require.NoError(t, json.Unmarshal([]byte(body), &m), body)
		return m
	case <-time.After(time.Minute):
		require.Fail(t, "no webhook")
		return nil
	}
}

// TestStoppedWhileItTells: the reason has been said before, and the exit code is
// that of the run.
func TestStoppedWhileItTells(t *testing.T) {
	url, got := hook(t, hang)
	cmd, said := upTelling(t, pgtest.New(t), "SELEC 1", url, "SHIPLOCK_NOTIFY_TIMEOUT=10m")
	assert.Equal(t, "failed", take(t, got)["outcome"])
	assert.Contains(t, said(), "SELEC 1", "what matters does not wait for a network")
	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	sent := time.Now()
	assert.Equal(t, 6, exitCode(t, cmd.Wait()))
	assert.Less(t, time.Since(sent), 20*time.Second, "a pod has 30 s")
	assert.Contains(t, said(), "notification failed")
	assert.NotContains(t, said(), "MARKED")
}

// TestAStopIsTold: there is little time, and it is used.
func TestAStopIsTold(t *testing.T) {
	d := pgtest.New(t)
	url, got := hook(t, func(http.ResponseWriter, *http.Request) {})
	cmd, said := upTelling(t, d, "SELECT pg_sleep(60)", url)
	require.Eventually(t, func() bool { return d.Value(t, sleeping) == "1" }, time.Minute, 20*time.Millisecond)
	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	m := take(t, got)
	assert.Equal(t, "stopped", m["outcome"])
	assert.EqualValues(t, 128+15, m["exit_code"])
	assert.Equal(t, 128+15, exitCode(t, cmd.Wait()))
	assert.True(t, strings.HasSuffix(said(), m["card"].(string)), "the same words: %s", said())
}

// TestColoursOnATerminal, where there may be a bar, too, and not in a log.
func TestColoursOnATerminal(t *testing.T) {
	command := binary + " up --source " + folder(t, "SELECT 1") + " --database-url postgres://a@127.0.0.1:1/b --wait-for-db 0; exit $?"
	for term, want := range map[string]string{"xterm": "\x1b[1;31mshiplock: cannot reach", "dumb": "shiplock: cannot reach"} {
		cmd := exec.Command("script", "-qec", command, "/dev/null")
		cmd.Env = []string{"TERM=" + term, "PATH=" + os.Getenv("PATH")}
		out, err := cmd.Output()
		assert.Equal(t, 3, exitCode(t, err))
		assert.Contains(t, string(out), want)
		assert.Equal(t, term == "xterm", strings.Contains(string(out), "\x1b[1;31m"), "%q", out)
	}
}

// TestASecondSignalEndsAtOnce: whoever has no time for messages.
func TestASecondSignalEndsAtOnce(t *testing.T) {
	url, got := hook(t, hang)
	cmd, _ := upTelling(t, pgtest.New(t), "SELEC 1", url, "SHIPLOCK_NOTIFY_TIMEOUT=10m")
	take(t, got)
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for { // two that come at once are one
		require.NoError(t, cmd.Process.Signal(syscall.SIGINT))
		select {
		case err := <-ended:
			assert.Contains(t, []int{-int(syscall.SIGINT), 6}, exitCode(t, err))
			return
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// TestReceiversThatTakeTheirTime: the bound holds for each, and the exit code stays.
func TestReceiversThatTakeTheirTime(t *testing.T) {
	for name, handle := range map[string]http.HandlerFunc{
		"never answers": hang,
		"never ends": func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusBadGateway)
			for r.Context().Err() == nil {
				_, _ = w.Write([]byte("."))
				w.(http.Flusher).Flush()
				time.Sleep(50 * time.Millisecond)
			}
		},
		"is always busy": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url, _ := hook(t, handle)
			for sql, code := range map[string]int{"SELECT 1": 0, "SELEC 1": 6} {
				start := time.Now()
				cmd, said := upTelling(t, pgtest.New(t), sql, url, "SHIPLOCK_NOTIFY_TIMEOUT=1s", "SHIPLOCK_NOTIFY_SUCCESS=true")
				assert.Equal(t, code, exitCode(t, cmd.Wait()), said())
				assert.Less(t, time.Since(start), 2*time.Minute)
				assert.Equal(t, 1, strings.Count(said(), "notification failed"), said())
				assert.NotContains(t, said(), "MARKED")
			}
		})
	}
}

// TestACAOfOnesOwn: TLS is always verified, and SSL_CERT_FILE says by whom.
func TestACAOfOnesOwn(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(s.Close)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	require.NoError(t, os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600))
	for file, want := range map[string]string{ca: "msg=\"notification sent\" to=\"webhook 127.0.0.1:", "/gone": "x509: certificate signed by unknown authority"} {
		cmd, said := upTelling(t, pgtest.New(t), "SELEC 1", s.URL, "SSL_CERT_FILE="+file, "SSL_CERT_DIR=/gone", "SHIPLOCK_LOG_LEVEL=debug")
		assert.Equal(t, 6, exitCode(t, cmd.Wait()))
		assert.Contains(t, said(), want)
	}
}

// TestThroughAProxy: the environment's, as for any program.
func TestThroughAProxy(t *testing.T) {
	asked := make(chan string, 1)
	proxy := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked <- r.Method + " " + r.URL.String() }))
	t.Cleanup(proxy.Close)
	cmd, said := upTelling(t, pgtest.New(t), "SELEC 1", "http://hooks.example.com", "HTTP_PROXY="+proxy.URL)
	assert.Equal(t, 6, exitCode(t, cmd.Wait()))
	require.NotContains(t, said(), "notification failed")
	assert.Equal(t, "POST http://hooks.example.com/T0MARKED", <-asked)
}

// TestUpThenTellsBeforeItBecomesTheServer, which has no part in it.
func TestUpThenTellsBeforeItBecomesTheServer(t *testing.T) {
	url, got := hook(t, func(http.ResponseWriter, *http.Request) {})
	file := filepath.Join(t.TempDir(), "said")
	cmd := upThen(pgtest.New(t), folder(t, "SELECT 1"), "exit 9")
	cmd.Env = append(cmd.Env, "SHIPLOCK_WEBHOOK_URL="+url, "SHIPLOCK_NOTIFY_SUCCESS=true", "SHIPLOCK_TERMINATION_LOG="+file)
	assert.Equal(t, 9, exitCode(t, cmd.Run()))
	require.Len(t, got, 1)
	assert.Equal(t, "succeeded", take(t, got)["outcome"])
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Contains(t, string(text), "1 migration applied")
}
