// Command cluster is the part of the demo on a temporary cluster: a release that migrates, and one whose migration fails. It
// prints the commands that it runs, and their output.
//
// It reports the preparation on standard error, then prints the line "ready", and starts when its standard input ends:
// hack/demo prepares it in the background. To run it alone: go run ./hack/demo/cluster </dev/null
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// The first run compiles the cluster's programs, which takes minutes.
	ctx, cancel := context.WithTimeout(ctx, 40*time.Minute)
	defer cancel()
	err := run(ctx)
	if err == nil {
		return
	}
	fmt.Fprintf(os.Stderr, "\ndemo: %v\n", err)
	fmt.Fprintf(os.Stderr, "demo: the cluster %s may still exist; run make demo to use it again, or make clean to remove it\n", clusterName)
	if errors.Is(context.Cause(ctx), context.Canceled) {
		os.Exit(130)
	}
	os.Exit(1)
}

func run(ctx context.Context) error {
	d, err := newDemo(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, "ready")
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return err
	}
	d.start = time.Now()
	for _, part := range []func(context.Context) error{d.v1, d.v2, d.v3, d.nextSteps} {
		if err := part(ctx); err != nil {
			return err
		}
	}
	return nil
}
