package e2e

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/shiplock/shiplock/internal/test/e2e/database"
	"github.com/shiplock/shiplock/internal/test/e2e/kube"
	"github.com/shiplock/shiplock/internal/test/e2e/release"
)

// waitTimeout is the maximum time that a scenario waits for a condition. It is long because a busy machine can stall for half a
// minute.
const waitTimeout = 3 * time.Minute

// Environment variables that setup sets for the commands.
const (
	envKubeconfig = "KUBECONFIG"
	envNamespace  = "NAMESPACE"
)

// commands are the scenarios' commands in addition to testscript's own. Each runs in its own process, so that it can run in
// the background with & and get signals.
var commands = map[string]func(){
	"helm":  main(helmCommand),
	"kube":  main(kubeCommand),
	"sql":   main(sqlCommand),
	"http":  main(httpCommand),
	"probe": main(probeCommand),
	"leaks": main(leaksCommand),
	"can-i": main(permissionCommand),
	"flux":  main(fluxCommand),
	// Commands of the scenarios with faults.
	"disrupt":           main(disruptCommand),
	"slow-migration":    main(slowMigrationCommand),
	"check-consistency": main(consistencyCommand),
	"schema":            main(schemaCommand),
}

// main returns a command as a program. SIGINT and SIGTERM cancel its context.
func main(run func(ctx context.Context, args []string) error) func() {
	return func() {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		if err := run(ctx, os.Args[1:]); err != nil {
			fmt.Fprintf(os.Stderr, "Error: %v\n", err)
			os.Exit(1)
		}
	}
}

func client() (*kube.Client, error) {
	return kube.New(os.Getenv(envKubeconfig), os.Getenv(envNamespace))
}

// helmCommand runs Helm 3 through its SDK, with the flags of its command line.
func helmCommand(ctx context.Context, args []string) error {
	cmd := release.Command(os.Stdout, os.Stderr)
	cmd.SetArgs(args)
	cmd.SilenceErrors = true
	return cmd.ExecuteContext(ctx)
}

// kubeCommand:
//
//	kube get TYPE[/NAME] [-l SELECTOR] JSONPATH
//	kube wait TYPE[/NAME] [-l SELECTOR] JSONPATH REGEXP
//	kube logs SELECTOR [REGEXP]    with REGEXP, once it matches
//	kube describe TYPE/NAME
//	kube apply [-dry-run] FILE...
//	kube delete TYPE[/NAME] [-l SELECTOR]
//	kube scale TYPE/NAME REPLICAS
func kubeCommand(ctx context.Context, args []string) error {
	if len(args) < 2 {
		return errors.New("kube get|wait|logs|describe|apply|delete|scale ...")
	}
	action, what, rest := args[0], args[1], args[2:]
	cluster, err := client()
	if err != nil {
		return err
	}
	if action == "logs" {
		return logs(ctx, cluster, what, strings.Join(rest, " "))
	}
	if action == "describe" {
		text, err := cluster.Describe(what)
		fmt.Println(text)
		return err
	}
	if action == "apply" {
		return apply(ctx, cluster, args[1:])
	}
	var q kube.Query
	flags := flag.NewFlagSet(action, flag.ContinueOnError)
	flags.StringVar(&q.Selector, "l", "", "label selector")
	if err := flags.Parse(rest); err != nil {
		return err
	}
	q.Args, rest = []string{what}, flags.Args()
	ctx, cancel := context.WithTimeout(ctx, waitTimeout)
	defer cancel()
	switch {
	case action == "get" && len(rest) == 1:
		text, err := cluster.JSONPath(q, rest[0])
		fmt.Println(text)
		return err
	case action == "wait" && len(rest) == 2:
		return waitFor(ctx, cluster, q, rest[0], rest[1])
	case action == "scale" && len(rest) == 1:
		return cluster.Patch(q, `{"spec": {"replicas": `+rest[0]+`}}`)
	case action == "delete" && len(rest) == 0:
		return cluster.Delete(ctx, q)
	}
	return fmt.Errorf("kube %s: wrong arguments", action)
}

func waitFor(ctx context.Context, cluster *kube.Client, q kube.Query, template, pattern string) error {
	want, err := regexp.Compile(pattern)
	if err != nil {
		return err
	}
	var last string
	err = kube.Until(ctx, func() (bool, error) {
		text, err := cluster.JSONPath(q, template)
		last = text
		return err == nil && want.MatchString(text), err
	})
	if err != nil {
		return fmt.Errorf("%s is %q and not %s: %w", template, last, pattern, err)
	}
	return nil
}

// logs prints the logs of the pods that match, once the pattern matches them.
func logs(ctx context.Context, cluster *kube.Client, selector, pattern string) error {
	want, err := regexp.Compile(pattern)
	if err != nil {
		return err
	}
	var text strings.Builder
	err = pollUntil(ctx, func(ctx context.Context) (bool, error) {
		text.Reset()
		err := cluster.Logs(ctx, selector, &text)
		return err == nil && want.MatchString(text.String()), err
	})
	fmt.Print(text.String())
	return err
}

var variable = regexp.MustCompile(`\$\{[A-Z0-9_]+\}`)

func apply(ctx context.Context, cluster *kube.Client, files []string) error {
	dryRun := files[0] == "-dry-run"
	if dryRun {
		files = files[1:]
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		// testscript does not expand variables in files.
		filled := variable.ReplaceAllStringFunc(string(text), func(v string) string { return os.Getenv(v[2 : len(v)-1]) })
		if err := cluster.Apply(ctx, name, strings.NewReader(filled), dryRun); err != nil {
			return err
		}
	}
	return nil
}

// sqlCommand:
//
//	sql [-admin] [-until REGEXP] STATEMENT...
//
// runs statements in the scenario's database, as its owner (-admin: as the superuser), and prints psql's unaligned rows. With -until it runs them
// again until the rows match.
func sqlCommand(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("sql", flag.ContinueOnError)
	until := flags.String("until", "", "what the rows must match")
	admin := flags.Bool("admin", false, "as the superuser")
	if err := flags.Parse(args); err != nil {
		return err
	}
	user := os.Getenv("DB_NAME")
	if *admin {
		user = "postgres"
	}
	if *until == "" {
		out, err := queryAs(ctx, user, flags.Args()...)
		fmt.Print(out)
		return err
	}
	want, err := regexp.Compile("(?m)" + *until)
	if err != nil {
		return err
	}
	var out string
	err = pollUntil(ctx, func(ctx context.Context) (_ bool, err error) {
		out, err = queryAs(ctx, user, flags.Args()...)
		return err == nil && want.MatchString(out), err
	})
	fmt.Print(out)
	return err
}

// query runs statements in the scenario's database, as its owner.
func query(ctx context.Context, statements ...string) (string, error) {
	return queryAs(ctx, os.Getenv("DB_NAME"), statements...)
}

func queryAs(ctx context.Context, user string, statements ...string) (string, error) {
	cluster, err := client()
	if err != nil {
		return "", err
	}
	return database.Connect(cluster).Query(ctx, os.Getenv("DB_NAME"), user, statements...)
}
