package notify

import (
	"context"
	"os"

	"github.com/shiplock/shiplock/internal/text"
)

// maxTermination is Kubernetes' limit for a termination message, in bytes.
const maxTermination = 4096

// terminationLog returns the channel that writes the container's termination message. It
// accepts every message: kubectl get pod -o yaml shows the two lines of a success.
func (o Options) terminationLog() *Channel {
	if o.TerminationLog == "" {
		return nil
	}
	return &Channel{Name: "termination message", Accepts: acceptsAll, Send: func(_ context.Context, m Message) error {
		return os.WriteFile(o.TerminationLog, []byte(text.Clip(m.Report, maxTermination)), 0o644)
	}}
}
