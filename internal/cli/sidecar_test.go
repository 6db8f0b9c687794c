package cli_test

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/shiplock/shiplock/internal/test/fixture"
	"github.com/shiplock/shiplock/internal/test/pgtest"
)

func TestSidecarShutdownURL_RunEnds_Requested(t *testing.T) {
	t.Parallel()
	var requests atomic.Int64
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && r.URL.Path == "/quitquitquit" {
			requests.Add(1)
		}
	}))
	t.Cleanup(proxy.Close)
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	good, bad := map[string]string{"1_x.up.sql": "SELECT 1"}, map[string]string{"1_x.up.sql": "SELEC 1"}
	for name, c := range map[string]struct {
		files    map[string]string
		url      string
		code     int
		requests int64
		want     string
	}{
		"after success": {good, proxy.URL + "/quitquitquit", 0, 1, "sidecar shutdown requested"},
		"after failure": {bad, proxy.URL + "/quitquitquit", 6, 1, "sidecar shutdown requested"},
		"no sidecar":    {good, gone.URL, 0, 0, "sidecar shutdown failed"},
		"invalid URL":   {good, "localhost:15020", 2, 0, "--sidecar-shutdown-url is"},
	} {
		requests.Store(0)
		d := pgtest.New(t)
		out := call(t.Context(), "up", "--source", fixture.FileMap(t, c.files), "--database-url", d.URL(), "--sidecar-shutdown-url", c.url)
		assert.Equal(t, c.code, out.code, name)
		assert.Equal(t, c.requests, requests.Load(), name)
		assert.Contains(t, out.err, c.want, name)
	}

	requests.Store(0)
	out := call(t.Context(), "exec", "--database-url", pgtest.New(t).URL(), "--sidecar-shutdown-url", proxy.URL+"/quitquitquit", "--", "true")
	assert.Zero(t, out.code, out.err)
	assert.Equal(t, int64(1), requests.Load(), "exec must also shut down the sidecar")
}
