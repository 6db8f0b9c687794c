package notifications

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/notify"
)

// environment returns a Getenv without the variables of the machine.
func environment(values map[string]string) func(string) string {
	return func(name string) string { return values[name] }
}

func testOptions(change func(*Options)) Options {
	o := Options{Timeout: 20 * time.Second, Agent: "shiplock/test", Getenv: environment(nil)}
	change(&o)
	return o
}

func newNotifier(t *testing.T, change func(*Options)) *notify.Notifier {
	t.Helper()
	n, err := New(testOptions(change))
	require.NoError(t, err)
	return n
}

// newReceiver returns an HTTP server on loopback.
func newReceiver(t *testing.T, handle http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(handle)
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s
}
