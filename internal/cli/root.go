package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/shiplock/shiplock/internal/cli/flags"
	"github.com/shiplock/shiplock/internal/config"
	"github.com/shiplock/shiplock/internal/report"
)

const long = `migrator runs an application's PostgreSQL schema migrations: each one once, and atomically.

Migration files are named as in golang-migrate: 0001_name.up.sql and 0001_name.down.sql.
The version is stored in golang-migrate's version table, schema_migrations.`

// command returns the command line as cobra's tree of commands.
func (a *app) command() *cobra.Command {
	root := &cobra.Command{
		Use:           "migrator",
		Short:         "Run PostgreSQL schema migrations atomically",
		Long:          long,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_ = cmd.Help()
			return &config.UsageError{Problem: `no command specified (try "migrator up")`}
		},
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return a.prepare(cmd) },
	}
	root.SetOut(a.console.Stdout())
	root.SetErr(a.console.Stderr())
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetFlagErrorFunc(flags.UsageError)
	root.SetUsageTemplate(flags.UsageTemplate(root.UsageTemplate()))
	root.SetHelpTemplate(root.HelpTemplate() + ExitCodes())
	commands := []*cobra.Command{a.up(), a.down(), a.status(), a.history(), a.check(), a.rehearse(), a.plan(), a.wait(), a.exec(), a.repair(), a.baseline(), a.create(), a.install(), a.version()}
	root.AddCommand(commands...)
	for _, sub := range commands {
		sub.Args = usageArgs(sub.Args)
	}
	root.Args = usageArgs(unknownCommand(commands))
	return root
}

// unknownCommand returns a check that refuses arguments of the root command.
func unknownCommand(commands []*cobra.Command) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		names := make([]string, len(commands))
		for i, c := range commands {
			names[i] = c.Name()
		}
		return fmt.Errorf("unknown command %q; available commands: %s", args[0], strings.Join(names, ", "))
	}
}

// usageArgs returns a check whose errors have the exit code of a usage error.
func usageArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if check == nil {
			check = cobra.NoArgs
		}
		if err := check(cmd, args); err != nil {
			return &config.UsageError{Problem: fmt.Sprintf("%v (run %s --help for usage)", err, cmd.CommandPath())}
		}
		return nil
	}
}

// ExitCodes returns the list of exit codes that ends each command's help.
func ExitCodes() string {
	var out strings.Builder
	out.WriteString("\nExit codes:\n")
	for _, c := range report.ExitCodes {
		fmt.Fprintf(&out, "  %-5s  %s\n", c.Code, c.Meaning)
	}
	return out.String()
}
