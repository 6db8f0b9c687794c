package notify

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/shiplock/shiplock/internal/report"
)

// maxResponse is how much of an answer is read: enough for a reason.
const maxResponse = 4 << 10

// The pause between two tries doubles from minPause to maxPause.
const (
	minPause = 200 * time.Millisecond
	maxPause = 3 * time.Second
)

// httpRequest is a POST that may be sent more than once.
type httpRequest struct {
	client *http.Client
	url    string
	header http.Header
	body   []byte
}

// StatusError is an answer that is not a success.
type StatusError struct {
	Status, Body string
	Code         int
	// RetryAfter is what Retry-After asks for, 0 for nothing.
	RetryAfter time.Duration
}

func (e *StatusError) Error() string {
	s := "answered " + e.Status
	switch {
	case e.Code >= 300 && e.Code < 400:
		return s + ", and redirects are not followed: give the address that it leads to"
	case e.Body != "":
		s += ": " + report.Clip(e.Body, 200)
	}
	return s
}

// send posts until it is taken, it cannot be, or ctx has ended.
func (p httpRequest) send(ctx context.Context) error {
	start := time.Now()
	var before error
	for pause, tries := minPause, 1; ; pause, tries = min(2*pause, maxPause), tries+1 {
		err := p.attempt(ctx)
		if err == nil {
			return nil
		}
		if before != nil && errors.Is(err, errNoResponse) {
			err = before // what the other side has said, and not that the last try was cut short
		}
		before = err
		wait := pause/2 + rand.N(pause/2)
		var status *StatusError
		if errors.As(err, &status) {
			wait = max(wait, status.RetryAfter)
		}
		over := func(why string) error {
			return fmt.Errorf("%w (%s in %s; %s)", err, attempts(tries), time.Since(start).Round(100*time.Millisecond), why)
		}
		deadline, _ := ctx.Deadline()
		switch {
		case ctx.Err() != nil:
			return over("the time for it is over")
		case !isRetryable(err):
			return err
		case time.Until(deadline) < wait:
			return over(fmt.Sprintf("no time to try again in %s", wait.Round(100*time.Millisecond)))
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return over("the time for it is over")
		}
	}
}

func (p httpRequest) attempt(ctx context.Context) error {
	request, err := p.build(ctx)
	if err != nil {
		return err
	}
	answer, err := p.client.Do(request)
	if err != nil {
		var withURL *url.Error // its text holds the URL
		if errors.As(err, &withURL) {
			err = withURL.Err
		}
		if until, ok := ctx.Deadline(); ok && !time.Now().Before(until) {
			<-ctx.Done() // a dial keeps to the deadline by itself, and may be ahead of the context's timer
		}
		if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
			err = errNoResponse
		}
		return err
	}
	defer answer.Body.Close()
	said := readResponse(answer.Body)
	if answer.StatusCode >= 200 && answer.StatusCode < 300 {
		return nil
	}
	return &StatusError{Status: oneLine(answer.Status), Code: answer.StatusCode, Body: said, RetryAfter: retryAfter(answer.Header, time.Now())}
}

func (p httpRequest) build(ctx context.Context) (*http.Request, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, bytes.NewReader(p.body))
	if err != nil {
		return nil, errors.New("the request cannot be made") // the error would hold the URL
	}
	request.Header = p.header.Clone()
	return request, nil
}

var errNoResponse = errors.New("no answer")

func attempts(tries int) string {
	if tries == 1 {
		return "1 try"
	}
	return fmt.Sprintf("%d tries", tries)
}

// isRetryable says whether another try may help.
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

// retryAfter reads the header in its two forms, seconds and a date.
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

// basicAuth is what HTTP's Basic scheme makes of a name and a password.
func basicAuth(u *url.Userinfo) string {
	password, _ := u.Password()
	return base64.StdEncoding.EncodeToString([]byte(u.Username() + ":" + password))
}
