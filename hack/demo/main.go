// Command demo tells Shiplock's story on a throw-away cluster: a release that migrates, one whose migration fails, and
// what everyone sees then. Nothing in it is acted: it prints the commands that it runs and what they print.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

const (
	clusterName = "shiplock-demo"
	namespace   = "guesthouse"
	// folder is where the demo keeps what its commands need, relative to the checkout.
	folder = "bin/demo"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// Cold, on two cores, the cluster's programs alone take some minutes to compile.
	ctx, cancel := context.WithTimeout(ctx, 40*time.Minute)
	defer cancel()
	err := tell(ctx)
	if err == nil {
		return
	}
	fmt.Fprintf(os.Stderr, "\ndemo: %v\n", err)
	fmt.Fprintf(os.Stderr, "demo: the cluster %s may be left: make demo starts over in it, make clean removes it.\n", clusterName)
	if errors.Is(context.Cause(ctx), context.Canceled) {
		os.Exit(130)
	}
	os.Exit(1)
}

func tell(ctx context.Context) error {
	s, err := build(ctx)
	if err != nil {
		return err
	}
	for _, chapter := range []func(context.Context) error{s.v1, s.v2, s.v3, s.epilogue} {
		if err := chapter(ctx); err != nil {
			return err
		}
	}
	return nil
}
