package kubernetes

import (
	"context"
	"os"

	"github.com/shiplock/shiplock/internal/notify"
	"github.com/shiplock/shiplock/internal/text"
)

// maxTermination is Kubernetes' limit for a termination message, in bytes.
const maxTermination = 4096

// TerminationLog returns the channel that writes the container's termination message to a file. It
// accepts every message: kubectl get pod -o yaml shows the two lines of a success.
func TerminationLog(file string) *notify.Channel {
	return &notify.Channel{Name: "termination message", Accepts: notify.AcceptsAll, Send: func(_ context.Context, m notify.Message) error {
		return os.WriteFile(file, []byte(text.Clip(m.Report, maxTermination)), 0o644)
	}}
}
