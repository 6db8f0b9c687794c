package webhook

import (
	"github.com/shiplock/shiplock/internal/notify"
	"github.com/shiplock/shiplock/internal/notify/httprequest"
)

// JSON returns a message as JSON.
func JSON(m notify.Message) ([]byte, string, error) {
	body, err := httprequest.EncodeJSON(m)
	return body, httprequest.ContentJSON, err
}
