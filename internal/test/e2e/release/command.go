// Package release provides Helm 3's command line through its SDK. It is the only package that imports Helm's actions.
package release

import (
	"io"
	"log"

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
