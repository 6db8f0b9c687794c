package notifications

import (
	"strings"

	"github.com/shiplock/shiplock/internal/notify"
	"github.com/shiplock/shiplock/internal/notify/slack"
	"github.com/shiplock/shiplock/internal/notify/webhook"
)

// The formats of a webhook.
const (
	formatJSON     = "json"
	formatSlack    = "slack"
	formatTemplate = "template"
)

func (o Options) webhook(secrets *notify.Secrets) (*notify.Channel, error) {
	token := strings.TrimSpace(o.WebhookToken)
	secrets.Add(token)
	address, flag := o.WebhookURL, "--webhook-url"
	render, err := o.render()
	if err != nil {
		return nil, err
	}
	if o.WebhookURLFile != "" {
		if address != "" {
			return nil, usageErrorf("set either --webhook-url or --webhook-url-file, not both")
		}
		flag = "--webhook-url-file"
		if address, err = secretFile(flag, o.WebhookURLFile); err != nil {
			return nil, err
		}
	}
	if address == "" {
		return nil, o.checkWebhookURL()
	}
	u, err := parseURL(secrets, flag, address)
	if err != nil {
		return nil, err
	}
	if strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, usageErrorf("--webhook-token contains a space or a non-ASCII character; set the token only")
	}
	return webhook.New(webhook.Options{URL: u, Token: token, Agent: o.Agent, Render: render}), nil
}

// checkWebhookURL returns an error for options that require a URL. A format alone is allowed.
func (o Options) checkWebhookURL() error {
	if o.WebhookTemplate != "" {
		return usageErrorf("--webhook-template requires --webhook-url or --webhook-url-file")
	}
	if o.WebhookToken != "" {
		return usageErrorf("--webhook-token requires --webhook-url or --webhook-url-file")
	}
	return nil
}

func (o Options) render() (webhook.Render, error) {
	format := o.WebhookFormat
	if format == "" {
		format = formatJSON
		if o.WebhookTemplate != "" {
			format = formatTemplate
		}
	}
	switch {
	case format != formatJSON && format != formatSlack && format != formatTemplate:
		return nil, usageErrorf("--webhook-format must be json, slack or template; got %q", format)
	case format == formatTemplate && o.WebhookTemplate == "":
		return nil, usageErrorf("--webhook-format template requires --webhook-template FILE")
	case format != formatTemplate && o.WebhookTemplate != "":
		return nil, usageErrorf("--webhook-template requires --webhook-format template; got %s", format)
	case format == formatTemplate:
		return readTemplate(o.WebhookTemplate)
	case format == formatSlack:
		return slack.Render, nil
	}
	return webhook.JSON, nil
}

func readTemplate(file string) (webhook.Render, error) {
	text, err := read(file)
	if err != nil {
		return nil, usageErrorf("--webhook-template: %v", err)
	}
	render, err := webhook.Template(file, string(text))
	if err != nil {
		return nil, usageErrorf("--webhook-template: %v", err)
	}
	return render, nil
}
