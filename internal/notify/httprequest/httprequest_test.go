package httprequest

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestRetryAfter_Header_ReturnsDuration(t *testing.T) {
	now := time.Date(2026, 11, 21, 9, 30, 0, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"": 0, "5": 5 * time.Second, "-5": 0, "soon": 0, "1e9": 0, "99999999999": 0, "9999999": 1 << 20 * time.Second,
		"Sat, 21 Nov 2026 09:30:07 GMT": 7 * time.Second, "Sat, 21 Nov 2026 09:29:00 GMT": 0,
	} {
		got := retryAfter(http.Header{"Retry-After": {text}}, now)
		if text == "99999999999" { // more than a duration can hold
			assert.Equal(t, 1<<20*time.Second, got, text)
			continue
		}
		assert.Equal(t, want, got, text)
	}
}
