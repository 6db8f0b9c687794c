// Package release provides Helm 3's command line through its SDK. It is the only package that imports Helm's actions.
package release

import (
	"fmt"
	"io"
	"log"
	"os"

	"github.com/spf13/cobra"
	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/cli"
)

// Command returns the `helm` command with the subcommands that scenarios use. It reads KUBECONFIG, HELM_NAMESPACE and Helm's
// other variables.
func Command(out, errs io.Writer) *cobra.Command {
	root := &cobra.Command{Use: "helm", SilenceUsage: true}
	root.SetOut(out)
	root.SetErr(errs)
	// Helm's command line writes the logs of hooks to its logger, which is standard error.
	log.SetFlags(0)
	log.SetOutput(errs)

	chartutil.DefaultCapabilities.HelmVersion.GitCommit = "0000000000000000000000000000000000000000" // as in Helm's own program

	settings := cli.New()
	settings.AddFlags(root.PersistentFlags())
	config := func() (*action.Configuration, error) { return configuration(settings, errs) }
	root.AddCommand(
		installCommand(settings, config), upgradeCommand(settings, config), templateCommand(settings, config),
		rollbackCommand(config), uninstallCommand(config), statusCommand(config), testCommand(config),
		dependencyCommand(settings), packageCommand(),
	)
	return root
}

// configure returns Helm's connection to the cluster, after the flags are parsed.
type configure func() (*action.Configuration, error)

func configuration(settings *cli.EnvSettings, errs io.Writer) (*action.Configuration, error) {
	settings.QPS, settings.BurstLimit = -1, -1
	config := new(action.Configuration)
	debug := func(format string, args ...any) {
		if settings.Debug {
			fmt.Fprintf(errs, format+"\n", args...)
		}
	}
	if err := config.Init(settings.RESTClientGetter(), settings.Namespace(), os.Getenv("HELM_DRIVER"), debug); err != nil {
		return nil, fmt.Errorf("helm: %w", err)
	}
	config.SetHookOutputFunc(func(_, _, _ string) io.Writer { return log.Writer() })
	return config, nil
}
