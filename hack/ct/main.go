// Command ct creates and deletes a namespace in which chart-testing can install each file of chart/ci. hack/ct.sh runs it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/shiplock/shiplock/hack/ct/environment"
	"github.com/shiplock/shiplock/internal/test/e2e/cluster"
	"github.com/shiplock/shiplock/internal/test/e2e/kube"
	"github.com/shiplock/shiplock/internal/test/e2e/sample"
)

const usage = `usage: go run ./hack/ct [--cluster NAME] [--namespace NAME] up|down
  up    create the cluster, build and load the images, recreate the namespace
  down  delete the namespace
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "ct:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("ct", flag.ContinueOnError)
	flags.Usage = func() { fmt.Fprint(os.Stderr, usage) }
	name := flags.String("cluster", cluster.TestName, "")
	namespace := flags.String("namespace", "shiplock-ct", "")
	if err := flags.Parse(args); err != nil {
		return flag.ErrHelp
	}
	if command := flags.Arg(0); flags.NArg() != 1 || (command != "up" && command != "down") {
		flags.Usage()
		return flag.ErrHelp
	}
	c, err := cluster.Ensure(ctx, cluster.Options{Name: *name, Log: os.Stderr})
	if err != nil {
		return err
	}
	client, err := kube.New(c.Kubeconfig, *namespace)
	if err != nil {
		return err
	}
	if flags.Arg(0) == "down" {
		return remove(ctx, client)
	}
	return up(ctx, c, client)
}

func up(ctx context.Context, c *cluster.Cluster, client *kube.Client) error {
	root, err := sample.Root(ctx)
	if err != nil {
		return err
	}
	images, err := sample.Images(ctx, root, c.Engine)
	if err != nil {
		return err
	}
	if err := c.Load(ctx, images...); err != nil {
		return err
	}
	if err := environment.LoadMigrator(ctx, c, root); err != nil {
		return err
	}
	postgres, err := c.Postgres(ctx)
	if err != nil {
		return err
	}
	if err := remove(ctx, client); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	return environment.Prepare(ctx, client, root, postgres)
}

// remove deletes the namespace, if it exists, and waits for the end of the deletion.
func remove(ctx context.Context, client *kube.Client) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	return client.Delete(ctx, kube.Query{Args: []string{"namespace/" + client.Namespace}})
}
