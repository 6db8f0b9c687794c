package batch

import (
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/lib/pq"

	"github.com/shiplock/shiplock/internal/activity"
	"github.com/shiplock/shiplock/internal/dataloss"
	"github.com/shiplock/shiplock/internal/postgres"
	"github.com/shiplock/shiplock/internal/script"
)

// A Sender sends batches in one session. It is not safe for concurrent use, except for OnNotice.
type Sender struct {
	session *postgres.Session
	monitor *activity.Monitor
	losses  *dataloss.Counter
	// marker is the number of the running statement, as the server reports it.
	marker atomic.Int64
}

// NewSender returns a Sender for a session. The session's notices must be passed to OnNotice.
func NewSender(session *postgres.Session, monitor *activity.Monitor, losses *dataloss.Counter) *Sender {
	return &Sender{session: session, monitor: monitor, losses: losses}
}

// markerPrefix precedes the number of a statement in the notices by which the server reports its
// progress.
const markerPrefix = "shiplock statement "

// OnNotice handles the notice of a statement marker. It reports whether it was one.
func (sender *Sender) OnNotice(n *pq.Error) bool {
	var i int64
	if rest, ok := strings.CutPrefix(n.Message, markerPrefix); ok {
		if _, err := fmt.Sscan(rest, &i); err == nil {
			sender.marker.Store(i)
			sender.monitor.Position.Advance(int(i))
			return true
		}
	}
	return false
}

// startBatch records that a batch is being sent.
func (sender *Sender) startBatch(b script.Batch) {
	sender.marker.Store(int64(b.First))
	first := b.First
	if !sender.session.Server.Plpgsql && b.Last-b.First > 1 {
		first = -1 // the server cannot report the statement
	}
	sender.monitor.Position.StartStatement(b.Script, first)
}

// FailedStatement returns the statement that failed: the one at the position in the error, or the
// last one whose start the server reported.
func (sender *Sender) FailedStatement(s *script.Script, offset int) int {
	if offset >= 0 {
		for i := len(s.Statements) - 1; i >= 0; i-- {
			if s.Statements[i].Offset <= offset {
				return i
			}
		}
	}
	if len(s.Statements) == 1 {
		return 0
	}
	if len(s.Statements) == 0 || !sender.session.Server.Plpgsql {
		return -1
	}
	return int(sender.marker.Load())
}
