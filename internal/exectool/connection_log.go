package exectool

import (
	"sync"
	"time"

	"github.com/shiplock/shiplock/internal/subprocess"
	"github.com/shiplock/shiplock/internal/toolrun"
)

// A connectionLog holds a tool's connections, each with the time it was last seen.
type connectionLog struct {
	mu   sync.Mutex
	seen map[subprocess.Connection]time.Time
}

func (l *connectionLog) add(now []subprocess.Connection) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.seen == nil {
		l.seen = map[subprocess.Connection]time.Time{}
	}
	at := time.Now()
	for _, c := range now {
		l.seen[c] = at
	}
	const many = 4096 // a tool may connect for each statement
	for c, last := range l.seen {
		if len(l.seen) > many && at.Sub(last) > time.Minute {
			delete(l.seen, c)
		}
	}
}

func (l *connectionLog) all() []toolrun.ToolConnection {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []toolrun.ToolConnection
	for c, at := range l.seen {
		out = append(out, toolrun.ToolConnection{Local: c.Local, Remote: c.Remote, Seen: at})
	}
	return out
}
