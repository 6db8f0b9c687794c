package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestReceiver_Requests_Recorded(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(newReceiver(t.Context()))
	defer server.Close()
	post := func(ctx context.Context, path, body string) (int, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, server.URL+path, strings.NewReader(body))
		require.NoError(t, err)
		req.Header.Set("Authorization", "Bearer x")
		answer, err := http.DefaultClient.Do(req)
		if err != nil {
			return 0, err
		}
		defer answer.Body.Close()
		return answer.StatusCode, nil
	}
	status, err := post(t.Context(), "/a", `{"b": "<c>"}`)
	require.NoError(t, err)
	assert.Equal(t, 200, status)
	status, err = post(t.Context(), "/fail/a", "no JSON")
	require.NoError(t, err)
	assert.Equal(t, 500, status)

	list := func() string {
		answer, err := http.Get(server.URL + "/")
		require.NoError(t, err)
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		return string(text)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	pending := make(chan error, 1)
	go func() {
		_, err := post(ctx, "/hang/a", "1")
		pending <- err
	}()
	require.Eventually(t, func() bool { return strings.Contains(list(), "/hang/a") }, time.Minute, 10*time.Millisecond)
	cancel()
	require.ErrorIs(t, <-pending, context.Canceled)
	assert.Equal(t, `{"path":"POST /a","authorization":"Bearer x","body":{"b":"<c>"}}
{"path":"POST /fail/a","authorization":"Bearer x","body":"no JSON"}
{"path":"POST /hang/a","authorization":"Bearer x","body":1}
`, list())
}
