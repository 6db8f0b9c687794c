// Command helper replaces external services in the scenarios: a webhook receiver, and a cloud provider's command that
// prints a token. It is one program, so that one image contains both.
//
//	helper receive        receives webhooks on :8080; see receiver
//	helper token FILE     prints the content of FILE
package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "helper:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	switch {
	case len(args) == 2 && args[0] == "token":
		text, err := os.ReadFile(args[1])
		if err != nil {
			return err
		}
		_, err = os.Stdout.Write(text)
		return err
	case len(args) == 1 && args[0] == "receive":
		return receive(ctx)
	}
	return errors.New("usage: helper receive | helper token FILE")
}

func receive(ctx context.Context) error {
	server := &http.Server{Addr: ":8080", Handler: newReceiver(ctx), ReadHeaderTimeout: 5 * time.Second}
	go func() {
		<-ctx.Done()
		server.Close()
	}()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
