// Package settings has the flags that several commands have, and the defaults of all of them.
//
// A command adds the flags that it needs with the methods of Settings, such as DatabaseFlags,
// and reads the fields when it runs. A flag that only one command has belongs to the file of
// the command in package cli, which is the only caller.
package settings

import (
	"log/slog"
	"math"
	"time"

	"github.com/spf13/cobra"

	"github.com/shiplock/shiplock/internal/cli/console"
	"github.com/shiplock/shiplock/internal/cli/notifications"
	"github.com/shiplock/shiplock/internal/config"
	"github.com/shiplock/shiplock/internal/migrator"
	"github.com/shiplock/shiplock/internal/notify"
	"github.com/shiplock/shiplock/internal/planner"
	"github.com/shiplock/shiplock/internal/source"
)

// Settings are the values of the flags that several commands have. A command without the
// flag uses the default.
type Settings struct {
	config.Settings
	Timeout            time.Duration
	LockWait           time.Duration
	LockTimeout        time.Duration
	ConnectAttempts    int
	ConnectDelay       time.Duration
	Policy             planner.Policy
	TxMode             migrator.TxMode
	AllowDataLoss      bool
	UnrecognizedFiles  source.Unrecognized
	SidecarShutdownURL string
	Console            console.Options
	Notify             notifications.Options
}

// Default returns the default of each flag whose default is not its zero value.
func Default() Settings {
	return Settings{
		Settings: config.Settings{Source: config.DefaultSource, Table: config.DefaultTable, WaitForDB: config.DefaultWaitForDB},
		LockWait: config.DefaultLockWait, LockTimeout: config.DefaultLockTimeout,
		Policy: planner.Policy{OnNewer: planner.AllowNewer, OutOfOrder: planner.FailOutOfOrder, OnEdited: planner.FailEdited},
		TxMode: migrator.TxModeFile, UnrecognizedFiles: source.FailUnrecognized,
		Console: console.Options{Progress: console.ProgressAuto, LogFormat: console.LogText, LogLevel: slog.LevelInfo},
		Notify:  notifications.Options{Timeout: notify.DefaultTimeout},
	}
}

// Complete sets the settings that follow from which flags the command has, and which are set.
func (s *Settings) Complete(cmd *cobra.Command) {
	s.TableGiven = cmd.Flags().Changed("table")
	s.Migrates = cmd.Flags().Lookup("statement-timeout") != nil
	s.Tool = RunsTool(cmd)
	if s.ConnectAttempts > 0 && !cmd.Flags().Changed("wait-for-db") {
		s.WaitForDB = math.MaxInt64 // the number of attempts is the limit
	}
}

// RunsTool reports whether the command runs an external tool, which shares the console and
// reads the database URL itself.
func RunsTool(cmd *cobra.Command) bool { return cmd.Name() == "exec" }

// OnlyURL returns the settings of a connection with a database URL in place of all sources.
func OnlyURL(s config.Settings, url string) config.Settings {
	s.DatabaseURL, s.DatabaseURLFile, s.PasswordFile, s.PasswordCommand = url, "", "", ""
	return s
}
