package notifications

import (
	"fmt"
	"time"

	"github.com/shiplock/shiplock/internal/config"
	"github.com/shiplock/shiplock/internal/notify"
)

// Options are the values of the flags. The zero value has no channel.
type Options struct {
	WebhookURL, WebhookURLFile string
	WebhookToken               string
	WebhookFormat              string // json, slack or template; "" for json, or for template if there is one
	WebhookTemplate            string // a file
	Success                    bool   // also notify on success if the database changed
	Timeout                    time.Duration
	PushgatewayURL             string
	KubernetesEvent            bool
	TerminationLog             string // a file
	// StepSummary is the channel of GitHub Actions; nil outside of it.
	StepSummary *notify.Channel

	// JobUID and PodUID are the UIDs by which kubectl describe finds an Event.
	JobUID, PodUID string
	// Agent is the User-Agent: name and version of the migrator.
	Agent string
	// OnDelivered is called after each successful delivery; it may be nil.
	OnDelivered func(where string)
	// Root is the prefix of the paths of Kubernetes' files. Getenv returns the environment
	// variables of Kubernetes and of the proxy.
	Root   string
	Getenv func(string) string
}

func usageErrorf(format string, args ...any) error {
	return &config.UsageError{Problem: fmt.Sprintf(format, args...)}
}
