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

func (o Options) webhook(n *Notifier) (*sink, error) {
	n.keepSecret(strings.TrimSpace(o.WebhookToken))
	address, option := o.WebhookURL, "--webhook-url"
	render, err := o.renderer()
	if err != nil {
		return nil, err
	}
	if o.WebhookURLFile != "" {
		if address != "" {
			return nil, problem("--webhook-url and --webhook-url-file are both given; want one of them")
		}
		option = "--webhook-url-file"
		if address, err = secretFile(option, o.WebhookURLFile); err != nil {
			return nil, err
		}
	}
	if address == "" {
		return nil, o.webhookAlone()
	}
	u, err := n.httpURL(option, address)
	if err != nil {
		return nil, err
	}
	token := strings.TrimSpace(o.WebhookToken)
	if strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, problem("--webhook-token holds a space or a character that is not ASCII; want the token alone")
	}
	p := parcel{client: o.client(viaProxy()), url: u.String(), header: o.header("")}
	if token != "" {
		p.header.Set("Authorization", "Bearer "+token)
	}
	return &sink{name: place("webhook", u), wants: o.news, send: func(ctx context.Context, m Message) error {
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

// webhookAlone refuses what has no meaning without a URL. A format alone does no harm.
func (o Options) webhookAlone() error {
	if o.WebhookTemplate != "" {
		return problem("--webhook-template is given and no URL: want --webhook-url or --webhook-url-file")
	}
	if o.WebhookToken != "" {
		return problem("--webhook-token is given and no URL: want --webhook-url or --webhook-url-file")
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
		return nil, problem("--webhook-format is %q; want json, slack or template", format)
	case format == formatTemplate && o.WebhookTemplate == "":
		return nil, problem("--webhook-format is template and no template is given: want --webhook-template FILE")
	case format != formatTemplate && o.WebhookTemplate != "":
		return nil, problem("--webhook-format is %s and --webhook-template is given; want --webhook-format template, or no template", format)
	case format == formatTemplate:
		return openTemplate(o.WebhookTemplate)
	case format == formatSlack:
		return slack, nil
	}
	return asJSON, nil
}

const contentJSON = "application/json; charset=utf-8"

func asJSON(m Message) ([]byte, string, error) {
	body, err := encode(m)
	return body, contentJSON, err
}

// contentOf is the type of what a template has made.
func contentOf(body []byte) string {
	if json.Valid(body) {
		return contentJSON
	}
	return "text/plain; charset=utf-8"
}
