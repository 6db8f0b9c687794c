// Package httprequest sends the POST request of a notification, and retries it.
//
// A Request is sent by Send within the deadline of its context; a StatusError is a response that
// is not a success. The channels below package notify call it.
package httprequest

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/shiplock/shiplock/internal/retry"
	"github.com/shiplock/shiplock/internal/text"
)

// maxResponse is the most bytes read of a response: enough for an error message.
const maxResponse = 4 << 10

// The pause between two attempts doubles from minPause to maxPause.
const (
	minPause = 200 * time.Millisecond
	maxPause = 3 * time.Second
)

// ContentJSON is the content type of JSON.
const ContentJSON = "application/json; charset=utf-8"

// A Request is a POST request that may be sent more than once.
type Request struct {
	Client *http.Client
	URL    string
	Header http.Header
	Body   []byte
}

// EncodeJSON returns JSON in which < and & are not escaped.
func EncodeJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return b.Bytes(), err
}

// Header returns the header of a request. agent is the User-Agent; it may be empty.
func Header(agent, contentType string) http.Header {
	h := http.Header{"Content-Type": {contentType}}
	if agent != "" {
		h.Set("User-Agent", agent)
	}
	return h
}

// Client returns a client that follows no redirects: they would receive the secrets.
func Client(t *http.Transport) *http.Client {
	t.MaxResponseHeaderBytes = 64 << 10
	t.DisableKeepAlives = true
	return &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// ViaProxy returns a transport that uses the proxy of the environment.
func ViaProxy() *http.Transport {
	return &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true}
}

// A StatusError is a response with a status other than 2xx.
type StatusError struct {
	Status, Body string
	Code         int
	// RetryAfter is the delay of the Retry-After header, or 0.
	RetryAfter time.Duration
}

func (e *StatusError) Error() string {
	s := "status " + e.Status
	switch {
	case e.Code >= 300 && e.Code < 400:
		return s + "; redirects are not followed: set the address that it redirects to"
	case e.Body != "":
		s += ": " + text.Clip(e.Body, 200)
	}
	return s
}

// Send posts until the request succeeds, fails permanently, or ctx is done.
func (r Request) Send(ctx context.Context) error {
	start := time.Now()
	policy := retry.Policy{First: minPause, Max: maxPause, MinPause: retryAfterOf}
	if deadline, ok := ctx.Deadline(); ok {
		policy.Limit = max(time.Until(deadline), 1)
	}
	var previous error
	err := retry.Do(ctx, policy, func() error {
		err := r.attempt(ctx)
		if previous != nil && errors.Is(err, errNoResponse) {
			err = previous // report the response, and not that the last attempt timed out
		}
		if previous = err; err != nil && ctx.Err() == nil && !isRetryable(err) {
			return retry.Permanent(err)
		}
		return err
	})
	var stopped *retry.StoppedError
	if !errors.As(err, &stopped) {
		return err
	}
	why := "timed out"
	if stopped.Cause == nil {
		why = fmt.Sprintf("no time left to retry in %s", stopped.Pause.Round(100*time.Millisecond))
	}
	return fmt.Errorf("%w (%s in %s; %s)", stopped.Err, text.Plural(stopped.Attempts, "attempt"), time.Since(start).Round(100*time.Millisecond), why)
}

// retryAfterOf returns the delay that a response requires.
func retryAfterOf(err error) time.Duration {
	var status *StatusError
	if errors.As(err, &status) {
		return status.RetryAfter
	}
	return 0
}

func (r Request) attempt(ctx context.Context) error {
	request, err := r.build(ctx)
	if err != nil {
		return err
	}
	response, err := r.Client.Do(request)
	if err != nil {
		var withURL *url.Error // its text contains the URL
		if errors.As(err, &withURL) {
			err = withURL.Err
		}
		if until, ok := ctx.Deadline(); ok && !time.Now().Before(until) {
			<-ctx.Done() // a dial has the same deadline, and may end before the context's timer
		}
		if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
			err = errNoResponse
		}
		return err
	}
	defer response.Body.Close()
	body := readResponse(response.Body)
	if response.StatusCode >= 200 && response.StatusCode < 300 {
		return nil
	}
	return &StatusError{Status: text.OneLine(response.Status), Code: response.StatusCode, Body: body, RetryAfter: retryAfter(response.Header, time.Now())}
}

// readResponse returns the first maxResponse bytes of a response as one line.
func readResponse(r io.Reader) string {
	body, _ := io.ReadAll(io.LimitReader(r, maxResponse))
	return text.OneLine(string(body))
}

func (r Request) build(ctx context.Context) (*http.Request, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, r.URL, bytes.NewReader(r.Body))
	if err != nil {
		return nil, errors.New("invalid request") // the original error contains the URL
	}
	request.Header = r.Header.Clone()
	return request, nil
}

var errNoResponse = errors.New("no response")

// isRetryable reports whether a retry may help.
func isRetryable(err error) bool {
	var (
		status      *StatusError
		certificate *tls.CertificateVerificationError
		record      tls.RecordHeaderError
	)
	switch {
	case errors.As(err, &status):
		return status.Code == http.StatusTooManyRequests || status.Code >= 500
	case errors.As(err, &certificate), errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch):
		return false
	}
	return true
}

// retryAfter returns the value of the Retry-After header, in seconds or as a date.
func retryAfter(h http.Header, now time.Time) time.Duration {
	text := h.Get("Retry-After")
	if seconds, err := strconv.Atoi(text); err == nil {
		return time.Duration(min(max(seconds, 0), 1<<20)) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(at.Sub(now), 0)
	}
	return 0
}
