package notify

import (
	"context"
	"encoding/json"
	"strings"
)

// The formats of a webhook.
const (
	formatJSON     = "json"
	formatSlack    = "slack"
	formatTemplate = "template"
)

// A render function returns the body of a webhook request for a message.
type render func(Message) (body []byte, contentType string, err error)

func (o Options) webhook(n *Notifier) (*Channel, error) {
	n.addSecret(strings.TrimSpace(o.WebhookToken))
	address, option := o.WebhookURL, "--webhook-url"
	render, err := o.renderer()
	if err != nil {
		return nil, err
	}
	if o.WebhookURLFile != "" {
		if address != "" {
			return nil, optionErrorf("set either --webhook-url or --webhook-url-file, not both")
		}
		option = "--webhook-url-file"
		if address, err = secretFile(option, o.WebhookURLFile); err != nil {
			return nil, err
		}
	}
	if address == "" {
		return nil, o.checkWebhookURL()
	}
	u, err := n.httpURL(option, address)
	if err != nil {
		return nil, err
	}
	token := strings.TrimSpace(o.WebhookToken)
	if strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, optionErrorf("--webhook-token contains a space or a non-ASCII character; set the token only")
	}
	p := httpRequest{client: o.client(viaProxy()), url: u.String(), header: o.header("")}
	if token != "" {
		p.header.Set("Authorization", "Bearer "+token)
	}
	return &Channel{Name: channelName("webhook", u), Send: func(ctx context.Context, m Message) error {
		body, contentType, err := render(m)
		if err != nil {
			return err
		}
		p := p
		p.body, p.header = body, p.header.Clone()
		p.header.Set("Content-Type", contentType)
		return p.send(ctx)
	}}, nil
}

// checkWebhookURL returns an error for options that require a URL. A format alone is allowed.
func (o Options) checkWebhookURL() error {
	if o.WebhookTemplate != "" {
		return optionErrorf("--webhook-template requires --webhook-url or --webhook-url-file")
	}
	if o.WebhookToken != "" {
		return optionErrorf("--webhook-token requires --webhook-url or --webhook-url-file")
	}
	return nil
}

func (o Options) renderer() (render, error) {
	format := o.WebhookFormat
	if format == "" {
		format = formatJSON
		if o.WebhookTemplate != "" {
			format = formatTemplate
		}
	}
	switch {
	case format != formatJSON && format != formatSlack && format != formatTemplate:
		return nil, optionErrorf("--webhook-format must be json, slack or template; got %q", format)
	case format == formatTemplate && o.WebhookTemplate == "":
		return nil, optionErrorf("--webhook-format template requires --webhook-template FILE")
	case format != formatTemplate && o.WebhookTemplate != "":
		return nil, optionErrorf("--webhook-template requires --webhook-format template; got %s", format)
	case format == formatTemplate:
		return openTemplate(o.WebhookTemplate)
	case format == formatSlack:
		return renderSlack, nil
	}
	return renderJSON, nil
}

const contentJSON = "application/json; charset=utf-8"

func renderJSON(m Message) ([]byte, string, error) {
	body, err := encode(m)
	return body, contentJSON, err
}

// contentTypeOf returns the content type of a template's output.
func contentTypeOf(body []byte) string {
	if json.Valid(body) {
		return contentJSON
	}
	return "text/plain; charset=utf-8"
}
