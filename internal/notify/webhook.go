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

// render makes the body of a webhook of a message.
type render func(Message) (body []byte, contentType string, err error)

func (o Options) webhook(n *Notifier) (*channel, error) {
	n.addSecret(strings.TrimSpace(o.WebhookToken))
	address, option := o.WebhookURL, "--webhook-url"
	render, err := o.renderer()
	if err != nil {
		return nil, err
	}
	if o.WebhookURLFile != "" {
		if address != "" {
			return nil, optionErrorf("--webhook-url and --webhook-url-file are both given; want one of them")
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
		return nil, optionErrorf("--webhook-token holds a space or a character that is not ASCII; want the token alone")
	}
	p := httpRequest{client: o.client(viaProxy()), url: u.String(), header: o.header("")}
	if token != "" {
		p.header.Set("Authorization", "Bearer "+token)
	}
	return &channel{name: channelName("webhook", u), wants: o.acceptsOutcome, send: func(ctx context.Context, m Message) error {
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

// checkWebhookURL refuses what has no meaning without a URL. A format alone does no harm.
func (o Options) checkWebhookURL() error {
	if o.WebhookTemplate != "" {
		return optionErrorf("--webhook-template is given and no URL: want --webhook-url or --webhook-url-file")
	}
	if o.WebhookToken != "" {
		return optionErrorf("--webhook-token is given and no URL: want --webhook-url or --webhook-url-file")
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
		return nil, optionErrorf("--webhook-format is %q; want json, slack or template", format)
	case format == formatTemplate && o.WebhookTemplate == "":
		return nil, optionErrorf("--webhook-format is template and no template is given: want --webhook-template FILE")
	case format != formatTemplate && o.WebhookTemplate != "":
		return nil, optionErrorf("--webhook-format is %s and --webhook-template is given; want --webhook-format template, or no template", format)
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

// contentTypeOf is the type of what a template has made.
func contentTypeOf(body []byte) string {
	if json.Valid(body) {
		return contentJSON
	}
	return "text/plain; charset=utf-8"
}
