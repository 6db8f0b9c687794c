// Command cluster creates and deletes the clusters of tests and demo.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/shiplock/shiplock/internal/test/e2e/cluster"
)

const usage = `usage: go run ./hack/cluster [--name NAME] COMMAND
  images      pull or build the images of a cluster, without the cluster
  up          create the cluster, unless it runs
  down        delete it
  load TAG…   load images of the container engine into it
  kubeconfig  print the path of its kubeconfig
  env         print the environment variables for kubectl, helm, kind, and the engine: eval "$(go run ./hack/cluster env)"
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "cluster:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("cluster", flag.ContinueOnError)
	flags.Usage = func() { fmt.Fprint(os.Stderr, usage) }
	name := flags.String("name", cluster.TestName, "")
	if err := flags.Parse(args); err != nil {
		return flag.ErrHelp
	}
	switch {
	case flags.Arg(0) == "down" && flags.NArg() == 1:
		return cluster.Delete(ctx, *name)
	case flags.Arg(0) == "images" && flags.NArg() == 1:
		return cluster.ObtainImages(ctx, os.Stderr)
	}
	command, ok := commands[flags.Arg(0)]
	if !ok || (flags.NArg() > 1) != (flags.Arg(0) == "load") {
		flags.Usage()
		return flag.ErrHelp
	}
	c, err := cluster.Ensure(ctx, cluster.Options{Name: *name, Log: os.Stderr})
	if err != nil {
		return err
	}
	return command(ctx, c, flags.Args()[1:])
}

// commands are the commands that require a running cluster.
var commands = map[string]func(context.Context, *cluster.Cluster, []string) error{
	"up": func(context.Context, *cluster.Cluster, []string) error { return nil },
	"load": func(ctx context.Context, c *cluster.Cluster, tags []string) error {
		return c.Load(ctx, tags...)
	},
	"kubeconfig": func(_ context.Context, c *cluster.Cluster, _ []string) error {
		_, err := fmt.Println(c.Kubeconfig)
		return err
	},
	"env": func(_ context.Context, c *cluster.Cluster, _ []string) error {
		for _, variable := range c.Env() {
			if _, err := fmt.Printf("export %s\n", variable); err != nil {
				return err
			}
		}
		return nil
	},
}
