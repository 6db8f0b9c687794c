package notifications

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/notify"
	"github.com/shiplock/shiplock/internal/test/messages"
	"github.com/shiplock/shiplock/internal/test/tcp"
)

// Each row has a server's response, the number of requests, and the error.
func TestWebhook_Responses_RetriesOrFails(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer   func(w http.ResponseWriter, r *http.Request, requests int64)
		requests int64
		want     string // "" for success
	}{
		"accepted": {func(w http.ResponseWriter, _ *http.Request, _ int64) { w.WriteHeader(http.StatusAccepted) }, 1, ""},
		"500 twice": {func(w http.ResponseWriter, _ *http.Request, n int64) {
			w.WriteHeader(map[bool]int{true: 500, false: 200}[n <= 2])
		}, 3, ""},
		"busy": {func(w http.ResponseWriter, _ *http.Request, n int64) {
			if n == 1 {
				w.Header().Set("Retry-After", "1")
				w.WriteHeader(http.StatusTooManyRequests)
			}
		}, 2, ""},
		"busy for long": {func(w http.ResponseWriter, _ *http.Request, _ int64) {
			w.Header().Set("Retry-After", "3600")
			w.WriteHeader(http.StatusTooManyRequests)
		}, 1, "status 429 Too Many Requests (1 attempt in "},
		"busy until a date": {func(w http.ResponseWriter, _ *http.Request, _ int64) {
			w.Header().Set("Retry-After", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat))
			w.WriteHeader(http.StatusServiceUnavailable)
		}, 1, "no time left to retry in "},
		"cut": {func(w http.ResponseWriter, _ *http.Request, n int64) {
			if n == 1 {
				c, _, _ := w.(http.Hijacker).Hijack()
				_ = c.Close()
			}
		}, 2, ""},
		"refused": {func(w http.ResponseWriter, _ *http.Request, _ int64) {
			http.Error(w, "no such\x1b[2J channel\nlevel=ERROR msg=forged", http.StatusNotFound)
		}, 1, "status 404 Not Found: no such [2J channel level=ERROR msg=forged"},
		"redirect": {func(w http.ResponseWriter, r *http.Request, _ int64) {
			http.Redirect(w, r, "http://127.0.0.1:1/elsewhere", http.StatusTemporaryRedirect)
		}, 1, "status 307 Temporary Redirect; redirects are not followed"},
		"huge": {func(w http.ResponseWriter, _ *http.Request, _ int64) {
			w.WriteHeader(http.StatusBadRequest)
			block := bytes.Repeat([]byte("x"), 1<<20)
			for range 64 {
				if _, err := w.Write(block); err != nil {
					return
				}
			}
		}, 1, "status 400 Bad Request: " + strings.Repeat("x", 197) + "…"},
		"huge header": {func(w http.ResponseWriter, _ *http.Request, n int64) {
			if n == 1 {
				w.Header().Set("X", strings.Repeat("x", 1<<20))
			}
		}, 2, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var asked atomic.Int64
			var ids []string
			s := newReceiver(t, func(w http.ResponseWriter, r *http.Request) {
				n := asked.Add(1)
				assert.Equal(t, "Bearer marked-token", r.Header.Get("Authorization"))
				assert.Equal(t, "shiplock/test", r.Header.Get("User-Agent"))
				body, _ := io.ReadAll(r.Body)
				ids = append(ids, string(body))
				c.answer(w, r, n)
			})
			n := newNotifier(t, func(o *Options) {
				o.WebhookURL, o.WebhookToken = s.URL+"/T0MARKED/secret?key=marked-key", "marked-token"
			})
			errs := n.Deliver(t.Context(), messages.Failure())
			assert.Equal(t, c.requests, asked.Load())
			for _, id := range ids {
				assert.Equal(t, ids[0], id, "a retry is the same message")
			}
			if c.want == "" {
				assert.Empty(t, errs)
				return
			}
			require.Len(t, errs, 1)
			assert.Contains(t, errs[0].Error(), "webhook "+strings.TrimPrefix(s.URL, "http://")+": ")
			assert.Contains(t, errs[0].Error(), c.want)
			assert.NotContains(t, strings.ToLower(errs[0].Error()), "marked")
			assert.NotContains(t, errs[0].Error(), "\n")
		})
	}
}

// The address has no server, no TLS, or an untrusted certificate.
func TestWebhook_NotHTTP_ReportsCause(t *testing.T) {
	t.Parallel()
	plain := newReceiver(t, func(http.ResponseWriter, *http.Request) {})
	unsigned := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(unsigned.Close)
	unsigned.Config.ErrorLog = nil
	for name, c := range map[string]struct{ url, want string }{
		"no server":        {"http://127.0.0.1:1/T0MARKED", "connection refused"},
		"no TLS":           {strings.Replace(plain.URL, "http:", "https:", 1) + "/T0MARKED", "HTTP response to HTTPS client"},
		"garbage for TLS":  {"https://" + tcp.Answer(t, "220 mail.example.com ESMTP\r\n") + "/T0MARKED", "tls: first record does not look like a TLS handshake"},
		"garbage for HTTP": {"http://" + tcp.Answer(t, "220 mail.example.com ESMTP\r\n") + "/T0MARKED", "malformed HTTP"},
		"unsigned":         {unsigned.URL + "/T0MARKED", "x509: certificate signed by unknown authority"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newNotifier(t, func(o *Options) { o.WebhookURL, o.Timeout = c.url, 10*time.Second })
			errs := n.Deliver(t.Context(), messages.Failure())
			require.Len(t, errs, 1)
			assert.Contains(t, errs[0].Error(), c.want)
			assert.NotContains(t, errs[0].Error(), "T0MARKED")
		})
	}
}

// Neither the token nor the message follows a redirect.
func TestWebhook_Redirect_IsNotFollowed(t *testing.T) {
	t.Parallel()
	var elsewhere atomic.Int64
	other := newReceiver(t, func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) })
	for _, status := range []int{301, 302, 303, 307, 308} {
		s := newReceiver(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other.URL, status) })
		n := newNotifier(t, func(o *Options) { o.WebhookURL, o.WebhookToken = s.URL, "marked-token" })
		assert.Len(t, n.Deliver(t.Context(), messages.Failure()), 1)
	}
	assert.Zero(t, elsewhere.Load())
}

// hangingServer returns the URL of a server that accepts connections and never responds.
func hangingServer(t *testing.T) string {
	t.Helper()
	release := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(func() {
		close(release)
		s.CloseClientConnections()
		s.Close()
	})
	return s.URL
}

func TestDeliver_HangingServers_EndsAtTimeout(t *testing.T) {
	t.Parallel()
	n := newNotifier(t, func(o *Options) {
		o.WebhookURL, o.PushgatewayURL, o.Timeout = hangingServer(t)+"/hook", hangingServer(t), 500*time.Millisecond
		o.TerminationLog = t.TempDir() + "/termination-log"
	})
	start := time.Now()
	errs := n.Deliver(t.Context(), messages.Failure())
	took := time.Since(start)
	require.Len(t, errs, 2)
	assert.Regexp(t, `: no response \(1 attempt in [\d.]+m?s; timed out\)$`, errs[0].Error())
	assert.GreaterOrEqual(t, took, 500*time.Millisecond)
	assert.Less(t, took, time.Minute, "it ends")
}

// A timeout of the last attempt does not hide the response to an earlier one.
func TestWebhook_LastAttemptTimesOut_ReportsEarlierResponse(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	s := newReceiver(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // otherwise the server does not notice a closed connection
		if asked.Add(1) > 1 {
			<-r.Context().Done()
		}
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	n := newNotifier(t, func(o *Options) { o.WebhookURL, o.Timeout = s.URL, 5*time.Second })
	errs := n.Deliver(t.Context(), messages.Failure())
	require.Len(t, errs, 1)
	assert.Regexp(t, `: status 503 Service Unavailable \(2 attempts in [\d.]+m?s; timed out\)$`, errs[0].Error())
}

// The run is stopped before or during the delivery.
func TestDeliver_Stopped_UsesShorterTimeout(t *testing.T) {
	t.Parallel()
	for name, early := range map[string]bool{"before": true, "meanwhile": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newNotifier(t, func(o *Options) { o.WebhookURL, o.Timeout = hangingServer(t), time.Hour })
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if early {
				cancel()
			} else {
				time.AfterFunc(100*time.Millisecond, cancel)
			}
			start := time.Now()
			require.Len(t, n.Deliver(ctx, messages.Failure()), 1)
			assert.GreaterOrEqual(t, time.Since(start), notify.AfterStop, "deliveries may continue until AfterStop")
			assert.Less(t, time.Since(start), notify.AfterStop+10*time.Second)
		})
	}
}

func TestDeliver_TwentyConcurrent_AllSucceed(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	s := newReceiver(t, func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1)%2 == 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	done := make(chan []error, 20)
	for range cap(done) {
		n := newNotifier(t, func(o *Options) { o.WebhookURL, o.Timeout = s.URL, time.Minute })
		go func() { done <- n.Deliver(t.Context(), messages.Failure()) }()
	}
	for range cap(done) {
		assert.Empty(t, <-done)
	}
	assert.GreaterOrEqual(t, asked.Load(), int64(20))
}
