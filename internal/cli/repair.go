package cli

import (
	"context"
	"errors"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/shiplock/shiplock/internal/cli/outcome"
	"github.com/shiplock/shiplock/internal/config"
	"github.com/shiplock/shiplock/internal/engine"
)

func (a *app) repair() *cobra.Command {
	resolutions := map[engine.Resolution]*bool{}
	var applied statementFlag
	cmd := &cobra.Command{
		Use:   "repair",
		Short: "Resolve a partially applied migration",
		Long: `Record in the history table how a partially applied migration was resolved, so that up can continue.
Only a migration that runs statement by statement can be partially applied; a transactional
migration never needs repair. If a statement failed, correct it in the file and deploy again: up then
resumes with that statement, without repair. repair runs no statement of the migration.`,
		Example: `  migrator repair --statement-applied       # the interrupted statement took effect; up resumes after it
  migrator repair --statement-applied=3     # skip statement 3, which failed; up resumes with statement 4
  migrator repair --statement-not-applied   # the interrupted statement did not take effect; up runs it again
  migrator repair --applied                 # the migration was completed manually
  migrator repair --rolled-back             # the migration was rolled back manually`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var chosen []engine.Resolution
			if applied.given {
				chosen = append(chosen, engine.StatementApplied)
			}
			for v, set := range resolutions {
				if *set {
					chosen = append(chosen, v)
				}
			}
			if len(chosen) != 1 {
				return &config.UsageError{Problem: "repair requires exactly one of --statement-applied, --statement-not-applied, --applied, --rolled-back (run migrator repair --help for usage)"}
			}
			return a.runRepair(cmd, chosen[0], applied.number)
		},
	}
	a.databaseFlags(cmd.Flags())
	a.lockFlags(cmd.Flags())
	a.notifyFlags(cmd.Flags())
	for v, usage := range map[engine.Resolution]string{
		engine.StatementNotApplied: "record that the interrupted statement did not take effect",
		engine.MigrationApplied:    "record that the migration was completed manually",
		engine.MigrationRolledBack: "record that the migration was rolled back manually",
	} {
		resolutions[v] = cmd.Flags().Bool(string(v), false, usage)
	}
	cmd.Flags().Var(&applied, string(engine.StatementApplied), "record that the interrupted statement took effect, or skip the failed statement with this number")
	cmd.Flags().Lookup(string(engine.StatementApplied)).NoOptDefVal = interrupted
	return cmd
}

// runRepair records a resolution. statement is the number of --statement-applied, or 0.
func (a *app) runRepair(cmd *cobra.Command, resolution engine.Resolution, statement int) error {
	return a.withOptions(cmd, func(ctx context.Context, o engine.Options) error {
		result, err := engine.Repair(ctx, o, resolution, statement)
		if err != nil {
			return err
		}
		a.summary = &outcome.Summary{Title: "repaired: " + result, Changed: true}
		o.Log.Info("migration repaired", "result", result)
		return nil
	})
}

// interrupted is the value of --statement-applied without a number: the interrupted statement.
const interrupted = "interrupted"

// A statementFlag is a flag with an optional value, the number of a statement.
type statementFlag struct {
	given  bool
	number int
}

func (f *statementFlag) String() string {
	if f.number == 0 {
		return ""
	}
	return strconv.Itoa(f.number)
}

func (*statementFlag) Type() string { return "number" }

// Set parses the number. It also accepts "true" and "false", as a boolean flag does.
func (f *statementFlag) Set(s string) error {
	switch s {
	case interrupted, "true":
		*f = statementFlag{given: true}
		return nil
	case "false":
		*f = statementFlag{}
		return nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 {
		return errors.New("must be the number of a statement, 1 or greater")
	}
	*f = statementFlag{given: true, number: n}
	return nil
}
