package cli

import (
	"errors"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/shiplock/shiplock/internal/config"
	"github.com/shiplock/shiplock/internal/engine"
)

func (a *app) repair() *cobra.Command {
	verdicts := map[engine.Resolution]*bool{}
	var done statementFlag
	cmd := &cobra.Command{
		Use:   "repair",
		Short: "Say what is in effect of a migration that stopped part-way",
		Long: `repair tells the journal what you have found out, or done by hand, about a migration that does
not run in one transaction and stopped part-way. It runs nothing of the migration. A transactional
migration never needs it.`,
		Example: `  migrator repair --statement-applied     # the statement in doubt is in effect; up goes on after it
  migrator repair --statement-applied=3   # skip statement 3, which failed; up resumes with statement 4
  migrator repair --statement-not-applied   # it is not; up runs it again
  migrator repair --applied            # the whole migration has been finished by hand
  migrator repair --rolled-back           # all that it did has been undone by hand`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var chosen []engine.Resolution
			if done.given {
				chosen = append(chosen, engine.StatementApplied)
			}
			for v, set := range verdicts {
				if *set {
					chosen = append(chosen, v)
				}
			}
			if len(chosen) != 1 {
				return &config.UsageError{Problem: "repair needs one of --statement-applied, --statement-not-applied, --applied, --rolled-back (migrator repair --help)"}
			}
			ctx, cancel, o, err := a.options(cmd.Context())
			if err != nil {
				return err
			}
			defer cancel()
			did, err := engine.Repair(ctx, o, chosen[0], done.number)
			if err == nil {
				a.summary = &summary{title: "repaired: " + did, changed: true}
				o.Log.Info("repaired", "now", did)
			}
			return err
		},
	}
	a.databaseFlags(cmd.Flags())
	a.lockFlags(cmd.Flags())
	a.notifyFlags(cmd.Flags())
	for v, usage := range map[engine.Resolution]string{
		engine.StatementNotApplied: "the statement in doubt is not in effect",
		engine.MigrationApplied:    "the migration has been finished by hand",
		engine.MigrationRolledBack: "what the migration did has been undone by hand",
	} {
		verdicts[v] = cmd.Flags().Bool(string(v), false, usage)
	}
	cmd.Flags().Var(&done, string(engine.StatementApplied), "the statement in doubt is in effect; with the number of the statement that failed, skip it")
	cmd.Flags().Lookup(string(engine.StatementApplied)).NoOptDefVal = inDoubt
	return cmd
}

// inDoubt is the statement of a --statement-applied without a number.
const inDoubt = "in-doubt"

// statementFlag is a flag whose value, the number of a statement, may be left out.
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

// Set reads the number. "true" and "false" are what the flag took when it had none.
func (f *statementFlag) Set(s string) error {
	switch s {
	case inDoubt, "true":
		*f = statementFlag{given: true}
		return nil
	case "false":
		*f = statementFlag{}
		return nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 {
		return errors.New("must be the number of a statement, from 1")
	}
	*f = statementFlag{given: true, number: n}
	return nil
}
