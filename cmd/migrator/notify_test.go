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

	"github.com/shiplock/shiplock/internal/test/fixture"
	"github.com/shiplock/shiplock/internal/test/pgtest"
)

// hook starts a webhook receiver, which sends each body to got and calls handle to respond.
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

// hang does not respond until the client closes the connection.
func hang(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// startUpWithWebhook starts "up" with one migration and a webhook. output returns the contents of standard
// error so far.
func startUpWithWebhook(t *testing.T, d *pgtest.Database, sql, url string, env ...string) (cmd *exec.Cmd, output func() string) {
	t.Helper()
	stderr, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = stderr.Close() })
	cmd = exec.Command(binary, "up", "--source", fixture.Files(t, "-- 1_x.up.sql --\n"+sql))
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

func receiveWebhook(t *testing.T, got chan string) map[string]any {
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

// TestNotify_SignalDuringDelivery_ExitCodeUnchanged also checks that the report is written before the
// notifications are sent.
func TestNotify_SignalDuringDelivery_ExitCodeUnchanged(t *testing.T) {
	url, got := hook(t, hang)
	cmd, output := startUpWithWebhook(t, pgtest.New(t), "SELEC 1", url, "SHIPLOCK_NOTIFY_TIMEOUT=10m")
	assert.Equal(t, "failed", receiveWebhook(t, got)["outcome"])
	assert.Contains(t, output(), "SELEC 1", "the report must not wait for the network")
	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	sent := time.Now()
	assert.Equal(t, 6, exitCode(t, cmd.Wait()))
	assert.Less(t, time.Since(sent), 20*time.Second, "the termination grace period of a pod is 30 s")
	assert.Contains(t, output(), "notification failed")
	assert.NotContains(t, output(), "MARKED")
}

func TestNotify_RunStopped_OutcomeSent(t *testing.T) {
	d := pgtest.New(t)
	url, got := hook(t, func(http.ResponseWriter, *http.Request) {})
	cmd, output := startUpWithWebhook(t, d, "SELECT pg_sleep(60)", url)
	fixture.Eventually(t, d, sleeping, "1")
	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	m := receiveWebhook(t, got)
	assert.Equal(t, "stopped", m["outcome"])
	assert.EqualValues(t, 128+15, m["exit_code"])
	assert.Equal(t, 128+15, exitCode(t, cmd.Wait()))
	assert.True(t, strings.HasSuffix(output(), m["report"].(string)), "the report must be the same: %s", output())
}

func TestReport_Terminal_Colored(t *testing.T) {
	command := binary + " up --source " + fixture.Files(t, "-- 1_x.up.sql --\nSELECT 1") + " --database-url postgres://a@127.0.0.1:1/b --wait-for-db 0; exit $?"
	for term, want := range map[string]string{"xterm": "\x1b[1;31mshiplock: cannot connect", "dumb": "shiplock: cannot connect"} {
		cmd := exec.Command("script", "-qec", command, "/dev/null")
		cmd.Env = []string{"TERM=" + term, "PATH=" + os.Getenv("PATH")}
		out, err := cmd.Output()
		assert.Equal(t, 3, exitCode(t, err))
		assert.Contains(t, string(out), want)
		assert.Equal(t, term == "xterm", strings.Contains(string(out), "\x1b[1;31m"), "%q", out)
	}
}

// TestNotify_SecondSignal_TerminatesImmediately stops the migrator while it sends notifications.
func TestNotify_SecondSignal_TerminatesImmediately(t *testing.T) {
	url, got := hook(t, hang)
	cmd, _ := startUpWithWebhook(t, pgtest.New(t), "SELEC 1", url, "SHIPLOCK_NOTIFY_TIMEOUT=10m")
	receiveWebhook(t, got)
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for { // two pending signals are delivered as one
		require.NoError(t, cmd.Process.Signal(syscall.SIGINT))
		select {
		case err := <-ended:
			assert.Contains(t, []int{-int(syscall.SIGINT), 6}, exitCode(t, err))
			return
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// TestNotify_SlowReceiver_TimeBounded also checks that the exit code is unchanged.
func TestNotify_SlowReceiver_TimeBounded(t *testing.T) {
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
				cmd, output := startUpWithWebhook(t, pgtest.New(t), sql, url, "SHIPLOCK_NOTIFY_TIMEOUT=1s", "SHIPLOCK_NOTIFY_SUCCESS=true")
				assert.Equal(t, code, exitCode(t, cmd.Wait()), output())
				assert.Less(t, time.Since(start), 2*time.Minute)
				assert.Equal(t, 1, strings.Count(output(), "notification failed"), output())
				assert.NotContains(t, output(), "MARKED")
			}
		})
	}
}

// TestNotify_CustomCA_Verified uses SSL_CERT_FILE.
func TestNotify_CustomCA_Verified(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(s.Close)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	require.NoError(t, os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600))
	for file, want := range map[string]string{ca: "msg=\"notification sent\" to=\"webhook 127.0.0.1:", "/gone": "x509: certificate signed by unknown authority"} {
		cmd, output := startUpWithWebhook(t, pgtest.New(t), "SELEC 1", s.URL, "SSL_CERT_FILE="+file, "SSL_CERT_DIR=/gone", "SHIPLOCK_LOG_LEVEL=debug")
		assert.Equal(t, 6, exitCode(t, cmd.Wait()))
		assert.Contains(t, output(), want)
	}
}

// TestNotify_HTTPProxy_Used uses HTTP_PROXY.
func TestNotify_HTTPProxy_Used(t *testing.T) {
	requests := make(chan string, 1)
	proxy := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { requests <- r.Method + " " + r.URL.String() }))
	t.Cleanup(proxy.Close)
	cmd, output := startUpWithWebhook(t, pgtest.New(t), "SELEC 1", "http://hooks.example.com", "HTTP_PROXY="+proxy.URL)
	assert.Equal(t, 6, exitCode(t, cmd.Wait()))
	require.NotContains(t, output(), "notification failed")
	assert.Equal(t, "POST http://hooks.example.com/T0MARKED", <-requests)
}

func TestUpCommand_Notification_SentBeforeStart(t *testing.T) {
	url, got := hook(t, func(http.ResponseWriter, *http.Request) {})
	file := filepath.Join(t.TempDir(), "output")
	cmd := upCommand(pgtest.New(t), fixture.Files(t, "-- 1_x.up.sql --\nSELECT 1"), "exit 9")
	cmd.Env = append(cmd.Env, "SHIPLOCK_WEBHOOK_URL="+url, "SHIPLOCK_NOTIFY_SUCCESS=true", "SHIPLOCK_TERMINATION_LOG="+file)
	assert.Equal(t, 9, exitCode(t, cmd.Run()))
	require.Len(t, got, 1)
	assert.Equal(t, "succeeded", receiveWebhook(t, got)["outcome"])
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Contains(t, string(text), "1 migration applied")
}
