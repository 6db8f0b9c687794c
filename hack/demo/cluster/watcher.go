package main

import (
	"context"
	"fmt"
	"time"
)

// watcher requests the bookings continuously, and counts the responses.
type watcher struct {
	stop    context.CancelFunc
	done    chan struct{}
	good    int
	bad     int
	lastBad string
}

func (d *demo) watch(ctx context.Context) *watcher {
	ctx, stop := context.WithCancel(ctx)
	w := &watcher{stop: stop, done: make(chan struct{})}
	go func() {
		defer close(w.done)
		for ctx.Err() == nil {
			status, body, err := d.kube.HTTP(ctx, "GET", "booking:http", "/bookings", nil)
			switch {
			case ctx.Err() != nil:
			case err == nil && status == 200:
				w.good++
			default:
				w.bad++
				w.lastBad = fmt.Sprintf("%d %s %v", status, body, err)
			}
			select {
			case <-ctx.Done():
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
	return w
}

// report ends the watch, and fails if a request failed.
func (w *watcher) report(context.Context) error {
	w.stop()
	<-w.done
	fmt.Printf("  meanwhile:     %d requests for /bookings, %d failed\n", w.good+w.bad, w.bad)
	if w.bad > 0 {
		return fmt.Errorf("a request failed: %s", w.lastBad)
	}
	return nil
}
