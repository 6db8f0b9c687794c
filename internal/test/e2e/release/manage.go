package release

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/cli"
	"helm.sh/helm/v3/pkg/downloader"
	"helm.sh/helm/v3/pkg/getter"
)

func rollbackCommand(connect configure) *cobra.Command {
	var wait, noHooks bool
	var timeout time.Duration
	cmd := &cobra.Command{Use: "rollback NAME [REVISION]", Args: cobra.RangeArgs(1, 2), RunE: func(_ *cobra.Command, args []string) error {
		config, err := connect()
		if err != nil {
			return err
		}
		run := action.NewRollback(config)
		run.Wait, run.Timeout, run.DisableHooks = wait, timeout, noHooks
		if len(args) == 2 {
			if run.Version, err = strconv.Atoi(args[1]); err != nil {
				return fmt.Errorf("revision: %w", err)
			}
		}
		return run.Run(args[0])
	}}
	cmd.Flags().BoolVar(&wait, "wait", false, "wait until everything is ready")
	cmd.Flags().BoolVar(&noHooks, "no-hooks", false, "run no hooks")
	cmd.Flags().DurationVar(&timeout, "timeout", 5*time.Minute, "for each operation")
	return cmd
}

func uninstallCommand(connect configure) *cobra.Command {
	var wait bool
	var timeout time.Duration
	cmd := &cobra.Command{Use: "uninstall NAME", Args: cobra.ExactArgs(1), RunE: func(_ *cobra.Command, args []string) error {
		config, err := connect()
		if err != nil {
			return err
		}
		run := action.NewUninstall(config)
		run.Wait, run.Timeout = wait, timeout
		_, err = run.Run(args[0])
		return err
	}}
	cmd.Flags().BoolVar(&wait, "wait", false, "wait until everything is gone")
	cmd.Flags().DurationVar(&timeout, "timeout", 5*time.Minute, "for each operation")
	return cmd
}

func statusCommand(connect configure) *cobra.Command {
	return &cobra.Command{Use: "status NAME", Args: cobra.ExactArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
		config, err := connect()
		if err != nil {
			return err
		}
		rel, err := action.NewStatus(config).Run(args[0])
		if err != nil {
			return err
		}
		return show(cmd, rel)
	}}
}

// dependencyCommand downloads the dependencies of Chart.yaml into charts/.
func dependencyCommand(settings *cli.EnvSettings) *cobra.Command {
	return &cobra.Command{Use: "dependency-update CHART", Args: cobra.ExactArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
		manager := &downloader.Manager{
			Out: cmd.OutOrStdout(), ChartPath: args[0], SkipUpdate: true, Getters: getter.All(settings),
			RepositoryConfig: settings.RepositoryConfig, RepositoryCache: settings.RepositoryCache,
		}
		return manager.Update()
	}}
}

func packageCommand() *cobra.Command {
	var destination string
	cmd := &cobra.Command{Use: "package CHART", Args: cobra.ExactArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
		run := action.NewPackage()
		run.Destination = destination
		path, err := run.Run(args[0], nil)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(cmd.OutOrStdout(), path)
		return err
	}}
	cmd.Flags().StringVarP(&destination, "destination", "d", ".", "folder of the package")
	return cmd
}

// testCommand runs the release's tests and prints their logs, as "helm test --logs" does.
func testCommand(connect configure) *cobra.Command {
	var timeout time.Duration
	cmd := &cobra.Command{Use: "test NAME", Args: cobra.ExactArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
		config, err := connect()
		if err != nil {
			return err
		}
		run := action.NewReleaseTesting(config)
		run.Timeout, run.Namespace = timeout, os.Getenv("HELM_NAMESPACE")
		rel, err := run.Run(args[0])
		if rel != nil {
			err = errors.Join(err, run.GetPodLogs(cmd.OutOrStdout(), rel))
		}
		return err
	}}
	cmd.Flags().DurationVar(&timeout, "timeout", 5*time.Minute, "for each test")
	return cmd
}
