package notify

import (
	"context"
	"fmt"

	"net/http"
	"time"

	"github.com/shiplock/shiplock/internal/text"
)

// DefaultTimeout limits all deliveries together. AfterStop limits them in a run that was
// stopped: a pod has 30 seconds, of which a tool and the comparison of the schema may have
// taken ten.
const (
	DefaultTimeout = 10 * time.Second
	AfterStop      = 3 * time.Second
	// gracePeriod is the time after the limit in which a channel may still return an error.
	gracePeriod = 200 * time.Millisecond
)

// Options configure the channels. The zero value has none.
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
	StepSummary *Channel

	// JobUID and PodUID are the UIDs by which kubectl describe finds an Event.
	JobUID, PodUID string
	// Agent is the User-Agent: name and version of the migrator.
	Agent string
	// OnDelivered is called after each successful delivery; it may be nil.
	OnDelivered func(where string)
	// Root is the prefix of the paths of Kubernetes' files. Getenv returns the environment
	// variables of Kubernetes and GitHub.
	Root   string
	Getenv func(string) string
}

// A Notifier delivers messages.
type Notifier struct {
	timeout     time.Duration
	channels    []Channel
	secrets     []string
	onDelivered func(string)
	outcome     func(Message) bool // accepts a message for channels without Accepts
}

// A Channel is one destination of messages.
type Channel struct {
	Name string // in warnings, without secrets
	// Accepts selects messages; nil accepts failures and, with Options.Success, successes that
	// changed the database.
	Accepts func(Message) bool
	Send    func(context.Context, Message) error
}

// An OptionError is an invalid option. It names the option and a valid value, and contains
// no secret.
type OptionError struct{ Problem string }

func (e *OptionError) Error() string { return e.Problem }

func optionErrorf(format string, args ...any) error {
	return &OptionError{Problem: fmt.Sprintf(format, args...)}
}

// New checks the options, reads the files that they name and tests the template. Errors are
// of type *OptionError. The Notifier is never nil: it has the secrets, and delivers to the
// channels whose options are valid.
func New(o Options) (*Notifier, error) {
	n := &Notifier{timeout: o.Timeout, onDelivered: o.OnDelivered, outcome: o.acceptsOutcome}
	n.addProxySecrets(o.Getenv)
	n.add(o.terminationLog())
	n.add(o.StepSummary)
	var first error
	for _, open := range []func(*Notifier) (*Channel, error){o.event, o.webhook, o.pushgateway} {
		s, err := open(n)
		if err != nil && first == nil {
			first = err
		}
		n.add(s)
	}
	if o.Timeout <= 0 && first == nil {
		first = optionErrorf("--notify-timeout must be greater than 0, such as 10s; got %s", o.Timeout)
	}
	if n.timeout <= 0 {
		n.timeout = DefaultTimeout
	}
	return n, first
}

func (n *Notifier) add(c *Channel) {
	if c != nil {
		n.channels = append(n.channels, *c)
	}
}

func (n *Notifier) accepts(c Channel, m Message) bool {
	if c.Accepts == nil {
		return n.outcome(m)
	}
	return c.Accepts(m)
}

// Deliver sends m concurrently to every channel that accepts it, and returns the errors, of
// one line each. It takes no longer than the timeout, and no longer than AfterStop after ctx
// is done.
func (n *Notifier) Deliver(ctx context.Context, m Message) []error {
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), n.timeout)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(AfterStop, cancel) })
	defer stop()
	var accepting []Channel
	for _, s := range n.channels {
		if n.accepts(s, m) {
			accepting = append(accepting, s)
		}
	}
	errs := make([]chan error, len(accepting))
	for i, s := range accepting {
		errs[i] = make(chan error, 1)
		go func() { errs[i] <- s.Send(limited, m) }()
	}
	return n.collect(limited, accepting, errs)
}

// collect waits for the channels. It abandons one that does not end at the timeout, such as
// a file on an unreachable network file system.
func (n *Notifier) collect(limited context.Context, sinks []Channel, errs []chan error) []error {
	expired := make(chan struct{})
	stop := context.AfterFunc(limited, func() { time.AfterFunc(gracePeriod, func() { close(expired) }) })
	defer stop()
	var out []error
	for i, s := range sinks {
		var err error
		select {
		case err = <-errs[i]:
		case <-expired:
			select {
			case err = <-errs[i]:
			default:
				err = errTimedOut
			}
		}
		if err != nil {
			out = append(out, fmt.Errorf("%s: %s", s.Name, n.Redact(text.OneLine(err.Error()))))
		} else if n.onDelivered != nil {
			n.onDelivered(s.Name)
		}
	}
	return out
}

var errTimedOut = fmt.Errorf("did not complete within --notify-timeout")

// acceptsAll accepts every message. acceptsOutcome accepts failures, and with
// Options.Success also successes that changed the database.
func acceptsAll(Message) bool { return true }

func (o Options) acceptsOutcome(m Message) bool { return !m.Succeeded() || o.Success && m.Changed }

func (o Options) client(t *http.Transport) *http.Client {
	t.MaxResponseHeaderBytes = 64 << 10
	t.DisableKeepAlives = true
	return &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}
