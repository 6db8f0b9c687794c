package cli

import (
	"context"
	"math"
	"os"

	"github.com/spf13/cobra"

	"github.com/shiplock/shiplock/internal/cli/flags"
	"github.com/shiplock/shiplock/internal/cli/outcome"
	"github.com/shiplock/shiplock/internal/cli/settings"
	"github.com/shiplock/shiplock/internal/cli/sidecar"
	"github.com/shiplock/shiplock/internal/config/dsn"
	"github.com/shiplock/shiplock/internal/database"
	"github.com/shiplock/shiplock/internal/history"
	"github.com/shiplock/shiplock/internal/interrupt"
	"github.com/shiplock/shiplock/internal/migrator"
	"github.com/shiplock/shiplock/internal/postgres"
)

// prepare completes the settings with the environment and configures the console. Cobra
// calls it after it has parsed the command line.
func (a *app) prepare(cmd *cobra.Command) error {
	a.prepared = true
	err := flags.ApplyEnvironment(cmd.Flags(), os.Getenv)
	a.settings.Complete(cmd)
	a.console.Configure(a.settings.Console, a.settings.Source, settings.RunsTool(cmd))
	return err
}

// withOptions calls run with the options of a use case. The context ends at --timeout.
func (a *app) withOptions(cmd *cobra.Command, run func(context.Context, migrator.Options) error) error {
	if err := a.openNotifier(); err != nil {
		return err
	}
	ctx := cmd.Context()
	if limit := a.settings.Timeout; limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, limit, &interrupt.TimeoutError{Limit: limit, Setting: "--timeout"})
		defer cancel()
	}
	connection, err := a.connectionSettings(ctx)
	if err != nil {
		return err
	}
	display := a.console.Progress()
	defer display.Close()
	s, log := &a.settings, a.console.Log()
	return run(ctx, migrator.Options{
		Source: s.Source, Unrecognized: s.UnrecognizedFiles, Log: log, TxMode: s.TxMode, AllowDataLoss: s.AllowDataLoss, Policy: s.Policy,
		DedicatedProcess: a.program.DedicatedProcess,
		Postgres: database.Options{
			Options: postgres.Options{DSN: connection, Role: s.Role, WaitForDB: s.WaitForDB,
				ConnectAttempts: s.ConnectAttempts, ConnectDelay: s.ConnectDelay,
				LockTimeout: s.LockTimeout, StatementTimeout: s.StatementTimeout, Log: log, Progress: display},
			Tables:   history.Options{Table: s.Table, Identity: outcome.Identity()},
			LockWait: s.LockWait,
		},
	})
}

// connectionSettings returns how to connect to the database. It waits for the database URL
// file, if one is set.
func (a *app) connectionSettings(ctx context.Context) (dsn.DSN, error) {
	log := a.console.Log()
	err := a.settings.WaitForURLFile(ctx, func(reason string) {
		facts := []any{"reason", reason}
		if limit := a.settings.WaitForDB; limit != math.MaxInt64 {
			facts = append(facts, "time_left", limit)
		}
		log.Info("waiting for the database URL file", facts...)
	})
	if err != nil {
		return dsn.DSN{}, err
	}
	d, err := a.settings.Database(os.Getenv)
	if err != nil {
		return dsn.DSN{}, err
	}
	a.redactor.AddDatabase(d)
	a.database, a.user = d.String(), d.User()
	if len(d.Ignored()) > 0 {
		log.Warn("ignoring database URL parameters", "parameters", d.Ignored())
	}
	return d, nil
}

// shutDownSidecar requests the shutdown of a service mesh sidecar in the pod. A failure is
// logged and does not change the exit code.
func (a *app) shutDownSidecar() {
	target := a.settings.SidecarShutdownURL
	if target == "" {
		return
	}
	status, err := sidecar.Shutdown(target)
	if err != nil {
		a.console.Log().Warn("sidecar shutdown failed", "error", err)
		return
	}
	a.console.Log().Info("sidecar shutdown requested", "url", target, "status", status)
}
