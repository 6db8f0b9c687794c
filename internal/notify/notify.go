package notify

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"
)

// DefaultTimeout bounds all deliveries together. AfterStop bounds them in a run that
// was told to stop: a pod has 30 seconds, of which a tool and the look at the schema
// may have had ten.
const (
	DefaultTimeout = 10 * time.Second
	AfterStop      = 3 * time.Second
	// gracePeriod is how much longer than the bound we wait for a sink to say why.
	gracePeriod = 200 * time.Millisecond
)

// Options say where to deliver. The zero value delivers nowhere.
type Options struct {
	WebhookURL, WebhookURLFile string
	WebhookToken               string
	WebhookFormat              string // json, slack or template; "" for json, or template where there is one
	WebhookTemplate            string // a file
	Success                    bool   // a success that has changed something is told, too
	Timeout                    time.Duration
	PushgatewayURL             string
	KubernetesEvent            bool
	TerminationLog             string // a file

	// JobUID and PodUID are what kubectl describe finds an Event by.
	JobUID, PodUID string
	// Agent is our name and version.
	Agent string
	// OnDelivered is called for each delivery that was taken; nil for nobody.
	OnDelivered func(where string)
	// Root is put before the paths of Kubernetes' files, and Getenv asked for its
	// variables and for GitHub's.
	Root   string
	Getenv func(string) string
}

// Notifier delivers messages.
type Notifier struct {
	timeout     time.Duration
	channels    []channel
	secrets     []string
	onDelivered func(string)
}

// channel is one place where a message goes.
type channel struct {
	name  string // as it is named in a warning: without a secret
	wants func(Message) bool
	send  func(context.Context, Message) error
}

// OptionError is an option that cannot work. It names the option, the way out, and
// no secret.
type OptionError struct{ Problem string }

func (e *OptionError) Error() string { return e.Problem }

func optionErrorf(format string, args ...any) error {
	return &OptionError{Problem: fmt.Sprintf(format, args...)}
}

// New checks the options, reads the files they name and tries the template. Errors
// are *OptionError. The Notifier is never nil: it knows the secrets, and delivers to
// the places whose options are right.
func New(o Options) (*Notifier, error) {
	n := &Notifier{timeout: o.Timeout, onDelivered: o.OnDelivered}
	n.addProxySecrets(o.Getenv)
	n.add(o.terminationLog())
	n.add(o.stepSummary())
	var first error
	for _, open := range []func(*Notifier) (*channel, error){o.event, o.webhook, o.pushgateway} {
		s, err := open(n)
		if err != nil && first == nil {
			first = err
		}
		n.add(s)
	}
	if o.Timeout <= 0 && first == nil {
		first = optionErrorf("--notify-timeout is %s; want more than 0, such as 10s", o.Timeout)
	}
	if n.timeout <= 0 {
		n.timeout = DefaultTimeout
	}
	return n, first
}

func (n *Notifier) add(s *channel) {
	if s != nil {
		n.channels = append(n.channels, *s)
	}
}

// Deliver sends m to every place that wants it, all at once, and returns what went
// wrong, in one line each. It takes no longer than the bound, and than AfterStop
// once ctx has ended.
func (n *Notifier) Deliver(ctx context.Context, m Message) []error {
	bound, cancel := context.WithTimeout(context.WithoutCancel(ctx), n.timeout)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(AfterStop, cancel) })
	defer stop()
	var wanted []channel
	for _, s := range n.channels {
		if s.wants(m) {
			wanted = append(wanted, s)
		}
	}
	errs := make([]chan error, len(wanted))
	for i, s := range wanted {
		errs[i] = make(chan error, 1)
		go func() { errs[i] <- s.send(bound, m) }()
	}
	return n.collect(bound, wanted, errs)
}

// collect waits for the sinks. One that does not heed its bound, as a file on a dead
// network may, is left behind.
func (n *Notifier) collect(bound context.Context, sinks []channel, errs []chan error) []error {
	late := make(chan struct{})
	stop := context.AfterFunc(bound, func() { time.AfterFunc(gracePeriod, func() { close(late) }) })
	defer stop()
	var out []error
	for i, s := range sinks {
		var err error
		select {
		case err = <-errs[i]:
		case <-late:
			select {
			case err = <-errs[i]:
			default:
				err = errTimedOut
			}
		}
		if err != nil {
			out = append(out, fmt.Errorf("%s: %s", s.name, n.Redact(oneLine(err.Error()))))
		} else if n.onDelivered != nil {
			n.onDelivered(s.name)
		}
	}
	return out
}

var errTimedOut = fmt.Errorf("did not end within --notify-timeout")

// acceptsAll wants every message; news wants failures, and successes that changed
// something where those are asked for.
func acceptsAll(Message) bool { return true }

func (o Options) acceptsOutcome(m Message) bool { return !m.Succeeded() || o.Success && m.Changed }

// readResponse reads no more of an answer than is of use.
func readResponse(r io.Reader) string {
	text, _ := io.ReadAll(io.LimitReader(r, maxResponse))
	return oneLine(string(text))
}

func (o Options) client(t *http.Transport) *http.Client {
	t.MaxResponseHeaderBytes = 64 << 10
	t.DisableKeepAlives = true
	return &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}
