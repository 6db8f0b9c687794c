// Command migrator runs an application's PostgreSQL migrations. It turns signals into the end of a
// context, and what package cli returns into the exit code.
package main

import (
	"context"
	"io"
	"log"
	"os"
	"os/signal"
	"syscall"

	"github.com/shiplock/shiplock/internal/cli"
	"github.com/shiplock/shiplock/internal/interrupt"
)

func main() {
	delayFirstCollection()
	log.SetOutput(io.Discard) // net/http logs unsolicited server responses there
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		cancel(&interrupt.SignalError{Signal: <-signals})
		signal.Stop(signals) // a second signal terminates the process
	}()
	os.Exit(cli.Program{Stdout: os.Stdout, Stderr: os.Stderr, DedicatedProcess: true}.Run(ctx, os.Args[1:]))
}
