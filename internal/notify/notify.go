package notify

import (
	"cmp"
	"context"
	"fmt"
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

// Options are the channels, and what applies to all of them.
type Options struct {
	Channels []Channel
	Success  bool // also notify on success if the database changed
	// Timeout is DefaultTimeout if it is not above 0. TimeoutName is the setting's name, for errors.
	Timeout     time.Duration
	TimeoutName string
	// OnDelivered is called after each successful delivery; it may be nil.
	OnDelivered func(where string)
	// Secrets are hidden in errors.
	Secrets Secrets
}

// A Notifier delivers messages.
type Notifier struct{ options Options }

// A Channel is one destination of messages.
type Channel struct {
	Name string // in warnings, without secrets
	// Accepts selects messages; nil accepts failures and, with Options.Success, successes that
	// changed the database.
	Accepts func(Message) bool
	Send    func(context.Context, Message) error
}

// New returns a notifier.
func New(o Options) *Notifier {
	if o.Timeout <= 0 {
		o.Timeout = DefaultTimeout
	}
	return &Notifier{o}
}

// Redact hides the secrets of the options.
func (n *Notifier) Redact(s string) string { return n.options.Secrets.Redact(s) }

func (n *Notifier) accepts(c Channel, m Message) bool {
	if c.Accepts == nil {
		return n.options.acceptsOutcome(m)
	}
	return c.Accepts(m)
}

// Deliver sends m concurrently to every channel that accepts it, and returns the errors, of
// one line each. It takes no longer than the timeout, and no longer than AfterStop after ctx
// is done.
func (n *Notifier) Deliver(ctx context.Context, m Message) []error {
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), n.options.Timeout)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(AfterStop, cancel) })
	defer stop()
	var accepting []Channel
	for _, s := range n.options.Channels {
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
				err = fmt.Errorf("did not complete within %s", cmp.Or(n.options.TimeoutName, n.options.Timeout.String()))
			}
		}
		if err != nil {
			out = append(out, fmt.Errorf("%s: %s", s.Name, n.Redact(text.OneLine(err.Error()))))
		} else if n.options.OnDelivered != nil {
			n.options.OnDelivered(s.Name)
		}
	}
	return out
}

// AcceptsAll accepts every message.
func AcceptsAll(Message) bool { return true }

// acceptsOutcome accepts failures, and with Options.Success also successes that changed the
// database.
func (o Options) acceptsOutcome(m Message) bool { return !m.Succeeded() || o.Success && m.Changed }
