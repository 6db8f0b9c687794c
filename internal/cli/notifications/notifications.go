// Package notifications opens the channels of package notify that the flags ask for.
//
// Options are the values of the flags. New checks them and returns the notifier; its errors name a
// flag and a valid value, and contain no secret. Package settings adds the flags, and package cli
// calls New before anything runs.
package notifications

import (
	"strings"

	"github.com/shiplock/shiplock/internal/notify"
	"github.com/shiplock/shiplock/internal/notify/kubernetes"
	"github.com/shiplock/shiplock/internal/notify/pushgateway"
)

// New checks the options, reads the files that they name and tests the template. Errors are of
// type *config.UsageError. The notifier is never nil: it has the secrets, and delivers to the
// channels whose options are valid.
func New(o Options) (*notify.Notifier, error) {
	n := notify.Options{Success: o.Success, Timeout: o.Timeout, TimeoutName: "--notify-timeout", OnDelivered: o.OnDelivered}
	addProxySecrets(&n.Secrets, o.Getenv)
	add := func(c *notify.Channel) {
		if c != nil {
			n.Channels = append(n.Channels, *c)
		}
	}
	if o.TerminationLog != "" {
		add(kubernetes.TerminationLog(o.TerminationLog))
	}
	add(o.StepSummary)
	if o.KubernetesEvent {
		add(kubernetes.Event(o.event()))
	}
	var first error
	for _, open := range []func(*notify.Secrets) (*notify.Channel, error){o.webhook, o.pushgateway} {
		c, err := open(&n.Secrets)
		if err != nil && first == nil {
			first = err
		}
		add(c)
	}
	if o.Timeout <= 0 && first == nil {
		first = usageErrorf("--notify-timeout must be greater than 0, such as 10s; got %s", o.Timeout)
	}
	return notify.New(n), first
}

// CheckEvent returns why no Event can be created, as far as this can be checked without a
// request.
func (o Options) CheckEvent() error {
	if !o.KubernetesEvent {
		return nil
	}
	return o.event().Check()
}

func (o Options) event() kubernetes.EventOptions {
	return kubernetes.EventOptions{
		JobUID: o.JobUID, PodUID: o.PodUID, Agent: o.Agent, Root: o.Root, Getenv: o.Getenv,
		Setting: "the chart's kubernetesEvents.enabled",
	}
}

func (o Options) pushgateway(secrets *notify.Secrets) (*notify.Channel, error) {
	if o.PushgatewayURL == "" {
		return nil, nil
	}
	u, err := parseURL(secrets, "--pushgateway-url", o.PushgatewayURL)
	if err != nil {
		return nil, err
	}
	if u.RawQuery != "" || strings.Contains(u.Path, "/metrics/job") {
		return nil, usageErrorf("--pushgateway-url must be the address of the Pushgateway without a path, such as http://pushgateway:9091")
	}
	return pushgateway.New(u, o.Agent), nil
}
