// Command demo shows Shiplock twice: first the program alone, on a PostgreSQL server of this machine, and then with Helm on a
// temporary cluster (hack/demo/cluster), which it prepares in the background meanwhile.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/shiplock/shiplock/hack/demo/console"
)

// Paths of results, relative to the checkout.
const (
	migrator = "bin/migrator"
	localDir = "bin/demo-local"
)

func main() {
	onlyLocal := flag.Bool("local", false, "run only the part without a cluster")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// The first run compiles the cluster's programs, which takes minutes.
	ctx, cancel := context.WithTimeout(ctx, time.Hour)
	defer cancel()
	err := run(ctx, *onlyLocal)
	if err == nil {
		return
	}
	if ctx.Err() == nil || !errors.Is(context.Cause(ctx), context.Canceled) {
		fmt.Fprintf(os.Stderr, "\ndemo: %v\n", err)
		os.Exit(1)
	}
	os.Exit(130)
}

func run(ctx context.Context, onlyLocal bool) error {
	out, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return fmt.Errorf("go env GOMOD: %w", err)
	}
	if err := os.Chdir(filepath.Dir(strings.TrimSpace(string(out)))); err != nil {
		return err
	}
	console.Title(os.Stdout, "Shiplock: PostgreSQL migrations that succeed, or change nothing")
	console.Paragraph(os.Stdout, "First the program alone, on a PostgreSQL server of this machine. Then Helm on a temporary Kubernetes cluster,",
		"which is prepared in the background. The first run compiles everything, which takes some minutes.")
	s := newStatus(os.Stderr)
	err = s.during("migrator", func(report func(string)) error {
		return build(ctx, report, "migrator", migrator, "./cmd/migrator")
	})
	if err != nil {
		return err
	}
	l := &local{migrator: migrator, dir: localDir, out: os.Stdout, pause: 2 * time.Second}
	if onlyLocal {
		return l.play(ctx, ".")
	}
	cluster := prepare(ctx)
	if err := l.play(ctx, "."); err != nil {
		cluster.stop()
		return err
	}
	return cluster.play(s)
}
