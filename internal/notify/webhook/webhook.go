// Package webhook sends notifications to a URL, as JSON or in the words of the user's template.
//
// New returns the channel, and a Render function makes the body of its requests: JSON, Template,
// or that of package slack. Package cli/notifications calls it.
package webhook

import (
	"context"
	"net/url"

	"github.com/shiplock/shiplock/internal/notify"
	"github.com/shiplock/shiplock/internal/notify/httprequest"
	"github.com/shiplock/shiplock/internal/text"
)

// A Render function returns the body of a request for a message.
type Render func(notify.Message) (body []byte, contentType string, err error)

// Options configure the channel.
type Options struct {
	URL    *url.URL
	Token  string // of HTTP's Bearer scheme; may be empty
	Agent  string // User-Agent
	Render Render
}

// New returns the channel. Its name has the host of the URL only: the path may be a secret.
func New(o Options) *notify.Channel {
	request := httprequest.Request{Client: httprequest.Client(httprequest.ViaProxy()), URL: o.URL.String(), Header: httprequest.Header(o.Agent, "")}
	if o.Token != "" {
		request.Header.Set("Authorization", "Bearer "+o.Token)
	}
	return &notify.Channel{Name: "webhook " + text.OneLine(o.URL.Host), Send: func(ctx context.Context, m notify.Message) error {
		body, contentType, err := o.Render(m)
		if err != nil {
			return err
		}
		r := request
		r.Body, r.Header = body, r.Header.Clone()
		r.Header.Set("Content-Type", contentType)
		return r.Send(ctx)
	}}
}
