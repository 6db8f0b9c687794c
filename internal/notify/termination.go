package notify

import (
	"context"
	"os"

	"github.com/shiplock/shiplock/internal/report"
)

// maxTermination is Kubernetes' limit of a termination message, in bytes.
const maxTermination = 4096

// terminationLog is the file that Kubernetes shows as the container's last words. It
// gets every message: a success has two lines, and kubectl get pod -o yaml shows them.
func (o Options) terminationLog() *channel {
	if o.TerminationLog == "" {
		return nil
	}
	return &channel{name: "termination message", wants: acceptsAll, send: func(_ context.Context, m Message) error {
		return os.WriteFile(o.TerminationLog, []byte(report.Clip(m.Report, maxTermination)), 0o644)
	}}
}
