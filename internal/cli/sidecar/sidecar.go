// Package sidecar shuts down the proxy of a service mesh in the migrator's pod, which would
// otherwise keep running, and the pod with it. Package settings checks the URL with ValidURL.
// Package cli calls Shutdown when a run ends.
package sidecar

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"time"
)

// timeout limits the request, so that an unavailable sidecar does not keep the pod running.
const timeout = 3 * time.Second

// ExampleURL is a URL that ValidURL accepts.
const ExampleURL = "http://localhost:15020/quitquitquit"

// ValidURL reports whether Shutdown can send a request to s. An empty text is the URL of no sidecar.
func ValidURL(s string) bool {
	u, err := url.Parse(s)
	return s == "" || err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}

// Shutdown sends a POST request to target and returns the status of the response.
func Shutdown(target string) (status string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout) // the context of the run may be canceled
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, target, http.NoBody)
	if err != nil {
		return "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, 1<<10)) // wait for the complete response
	return response.Status, response.Body.Close()
}
