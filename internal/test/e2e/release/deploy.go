package release

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/cli"
	"helm.sh/helm/v3/pkg/cli/values"
	"helm.sh/helm/v3/pkg/getter"
	"helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/storage/driver"
)

// inputs are the common flags of install, upgrade and template.
type inputs struct {
	values  values.Options
	timeout time.Duration
	wait    bool
	jobs    bool
	atomic  bool
	dryRun  string
}

func (in *inputs) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringArrayVarP(&in.values.ValueFiles, "values", "f", nil, "values file")
	f.StringArrayVar(&in.values.Values, "set", nil, "value")
	f.StringArrayVar(&in.values.StringValues, "set-string", nil, "string value")
	f.StringArrayVar(&in.values.FileValues, "set-file", nil, "value from a file")
	f.StringArrayVar(&in.values.LiteralValues, "set-literal", nil, "literal value")
	f.DurationVar(&in.timeout, "timeout", 5*time.Minute, "for each operation, such as a hook")
	f.BoolVar(&in.wait, "wait", false, "wait until everything is ready")
	f.BoolVar(&in.jobs, "wait-for-jobs", false, "with --wait, wait for Jobs to end, too")
	f.BoolVar(&in.atomic, "atomic", false, "roll back a failed release")
	f.StringVar(&in.dryRun, "dry-run", "none", "none, client or server")
}

// load reads the chart with its dependencies, and merges the values.
func (in *inputs) load(settings *cli.EnvSettings, path string) (*chart.Chart, map[string]any, error) {
	vals, err := in.values.MergeValues(getter.All(settings))
	if err != nil {
		return nil, nil, err
	}
	ch, err := loader.Load(path)
	if err != nil {
		return nil, nil, fmt.Errorf("chart %s: %w", path, err)
	}
	if err := action.CheckDependencies(ch, ch.Metadata.Dependencies); err != nil {
		return nil, nil, fmt.Errorf("chart %s: %w", path, err)
	}
	return ch, vals, nil
}

func (in *inputs) install(cmd *cobra.Command, config *action.Configuration, settings *cli.EnvSettings, name, path string) error {
	ch, vals, err := in.load(settings, path)
	if err != nil {
		return err
	}
	run := action.NewInstall(config)
	run.ReleaseName, run.Namespace = name, settings.Namespace()
	run.Timeout, run.Wait, run.WaitForJobs, run.Atomic, run.DryRunOption = in.timeout, in.wait || in.atomic, in.jobs, in.atomic, in.dryRun
	rel, err := run.RunWithContext(cmd.Context(), ch, vals)
	if err != nil {
		return fmt.Errorf("INSTALLATION FAILED: %w", err)
	}
	return show(cmd, rel)
}

func installCommand(settings *cli.EnvSettings, connect configure) *cobra.Command {
	var in inputs
	cmd := &cobra.Command{Use: "install NAME CHART", Args: cobra.ExactArgs(2), RunE: func(cmd *cobra.Command, args []string) error {
		config, err := connect()
		if err != nil {
			return err
		}
		return in.install(cmd, config, settings, args[0], args[1])
	}}
	in.flags(cmd)
	return cmd
}

func upgradeCommand(settings *cli.EnvSettings, connect configure) *cobra.Command {
	var in inputs
	var installs, reuse bool
	cmd := &cobra.Command{Use: "upgrade NAME CHART", Args: cobra.ExactArgs(2), RunE: func(cmd *cobra.Command, args []string) error {
		config, err := connect()
		if err != nil {
			return err
		}
		if _, err := config.Releases.Last(args[0]); installs && errors.Is(err, driver.ErrReleaseNotFound) {
			return in.install(cmd, config, settings, args[0], args[1])
		}
		ch, vals, err := in.load(settings, args[1])
		if err != nil {
			return err
		}
		run := action.NewUpgrade(config)
		run.Namespace, run.ReuseValues = settings.Namespace(), reuse
		run.Timeout, run.Wait, run.WaitForJobs, run.Atomic, run.DryRunOption = in.timeout, in.wait || in.atomic, in.jobs, in.atomic, in.dryRun
		rel, err := run.RunWithContext(cmd.Context(), args[0], ch, vals)
		if err != nil {
			return fmt.Errorf("UPGRADE FAILED: %w", err)
		}
		return show(cmd, rel)
	}}
	in.flags(cmd)
	cmd.Flags().BoolVarP(&installs, "install", "i", false, "install if the release does not exist")
	cmd.Flags().BoolVar(&reuse, "reuse-values", false, "start from the last release's values")
	return cmd
}

// templateCommand prints the manifests, including hooks.
func templateCommand(settings *cli.EnvSettings, connect configure) *cobra.Command {
	var in inputs
	cmd := &cobra.Command{Use: "template NAME CHART", Args: cobra.ExactArgs(2), RunE: func(cmd *cobra.Command, args []string) error {
		config, err := connect()
		if err != nil {
			return err
		}
		ch, vals, err := in.load(settings, args[1])
		if err != nil {
			return err
		}
		run := action.NewInstall(config)
		run.ReleaseName, run.Namespace, run.DryRunOption = args[0], settings.Namespace(), "server"
		rel, err := run.RunWithContext(cmd.Context(), ch, vals)
		if err != nil {
			return err
		}
		manifests(cmd.OutOrStdout(), rel)
		return nil
	}}
	in.flags(cmd)
	return cmd
}

func show(cmd *cobra.Command, rel *release.Release) error {
	_, err := fmt.Fprintf(cmd.OutOrStdout(), "NAME: %s\nSTATUS: %s\nREVISION: %d\n%s\n",
		rel.Name, rel.Info.Status, rel.Version, rel.Info.Notes)
	return err
}

func manifests(out io.Writer, rel *release.Release) {
	fmt.Fprintln(out, rel.Manifest)
	for _, hook := range rel.Hooks {
		fmt.Fprintf(out, "---\n%s\n", hook.Manifest)
	}
}
