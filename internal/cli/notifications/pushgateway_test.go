package notifications

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/test/messages"
)

// startPushgateway starts a real Pushgateway and returns its address.
func startPushgateway(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("prometheus-pushgateway")
	if err != nil {
		path, err = exec.LookPath("pushgateway")
	}
	require.NoError(t, err, "hack/setup.sh tools names what is missing")
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, path, "--web.listen-address=127.0.0.1:0")
	stderr, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait()
	})
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		if m := regexp.MustCompile(`Listening on.* address=(\S+)`).FindStringSubmatch(lines.Text()); m != nil {
			go func() { _, _ = io.Copy(io.Discard, stderr) }()
			return "http://" + m[1]
		}
	}
	require.Fail(t, "the Pushgateway did not start")
	return ""
}

// A real Pushgateway shows the metrics of a success, and of the failure that follows it.
func TestPushgateway_Runs_ShowsMetrics(t *testing.T) {
	if testing.Short() {
		t.Skip("needs a Pushgateway")
	}
	t.Parallel()
	address := startPushgateway(t)
	shown := func(metric string) string {
		answer, err := http.Get(address + "/metrics")
		require.NoError(t, err)
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		m := regexp.MustCompile(`(?m)^`+metric+`(?:\{.*\})? .*$`).FindAllString(string(text), -1)
		return fmt.Sprint(m)
	}
	n := newNotifier(t, func(o *Options) { o.PushgatewayURL = address + "/" })
	require.Empty(t, n.Deliver(t.Context(), messages.Success()))
	const labels = `{database="db:5432/booking",instance="",job="shiplock",namespace="shop",release="booking"}`
	assert.Equal(t, "[shiplock_schema_version"+labels+" 9]", shown("shiplock_schema_version"))
	assert.Equal(t, "[shiplock_migrations_pending"+labels+" 0]", shown("shiplock_migrations_pending"))
	when := shown("shiplock_last_success_timestamp_seconds")
	assert.Contains(t, when, labels+" 1.795253402e+09]")

	failed := messages.Failure()
	failed.Ended = failed.Ended.Add(time.Hour)
	require.Empty(t, n.Deliver(t.Context(), failed))
	assert.Equal(t, when, shown("shiplock_last_success_timestamp_seconds"), "a failure keeps the time of the last success")
	assert.Equal(t, "[shiplock_schema_version"+labels+" 8]", shown("shiplock_schema_version"))
	assert.Contains(t, shown("shiplock_last_run_exit_code"), " 6]")
	assert.Contains(t, shown("shiplock_last_run_outcome"), `outcome="failed",release="booking"} 1`)
	assert.Contains(t, shown("shiplock_last_run_outcome"), `outcome="succeeded",release="booking"} 0`)
	assert.Contains(t, shown("push_failure_time_seconds"), " 0]", "the Pushgateway accepted all metrics")

	unknown := failed
	unknown.VersionTo, unknown.Pending = nil, nil
	require.Empty(t, n.Deliver(t.Context(), unknown))
	assert.Equal(t, "[shiplock_schema_version"+labels+" 8]", shown("shiplock_schema_version"), "unknown values keep their previous value")

	unknown.Database = ""
	errs := n.Deliver(t.Context(), unknown)
	require.Len(t, errs, 1)
	assert.Contains(t, errs[0].Error(), "the database is unknown")

	odd := messages.Success()
	odd.Namespace, odd.Release = `a/b "c"\ü%2F?`, "."
	require.Empty(t, n.Deliver(t.Context(), odd))
	assert.Contains(t, shown("shiplock_schema_version"), `namespace="a/b \"c\"\\ü%2F?",release="."} 9`)
}

// The password is sent, and hidden in errors.
func TestPushgateway_Password_IsSentAndHidden(t *testing.T) {
	t.Parallel()
	s := newReceiver(t, func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		assert.Equal(t, "push marked@pass", user+" "+password)
		http.Error(w, "unknown user push:marked@pass ("+r.Header.Get("Authorization")+")", http.StatusUnauthorized)
	})
	n := newNotifier(t, func(o *Options) { o.PushgatewayURL = "http://push:marked%40pass@" + s.Listener.Addr().String() })
	errs := n.Deliver(t.Context(), messages.Failure())
	require.Len(t, errs, 1)
	assert.Equal(t, "Pushgateway "+s.Listener.Addr().String()+": status 401 Unauthorized: unknown user push:xxxxx (Basic xxxxx)", errs[0].Error())
}
