// Package flags adds to pflag what the commands need: environment variables, allowed values,
// and groups in the help.
//
// A flag is added to the Set that WithEnv returns if an environment variable can set it, and
// otherwise to the pflag.FlagSet itself. Choice, Level, Duration, Count and Checked return
// pflag.Values that accept only allowed values. ApplyEnvironment sets the flags that are not
// on the command line, and UsageError describes invalid values. Package cli calls it.
package flags

import (
	"errors"
	"strings"
	"time"

	"github.com/spf13/pflag"
)

// environmentAnnotation lists the environment variables of a flag, in order of precedence.
const environmentAnnotation = "environment"

// groupAnnotation is the title below which the help lists a flag.
const groupAnnotation = "group"

// A Set adds flags that an environment variable can also set: --lock-wait has
// $SHIPLOCK_LOCK_WAIT. The value of a variable before it is added is the flag's default.
type Set struct {
	flags *pflag.FlagSet
	group string
}

// WithEnv returns a Set that adds flags to fs.
func WithEnv(fs *pflag.FlagSet) Set { return Set{flags: fs} }

// StringVar adds a flag of any text.
func (s Set) StringVar(p *string, name, usage string) {
	s.flags.StringVar(p, name, *p, withVariable(name, usage))
	s.annotate(name)
}

// BoolVar adds a flag that is true or false.
func (s Set) BoolVar(p *bool, name, usage string) {
	s.flags.BoolVar(p, name, *p, withVariable(name, usage))
	s.annotate(name)
}

// DurationVar adds a flag of any duration.
func (s Set) DurationVar(p *time.Duration, name, usage string) {
	s.flags.DurationVar(p, name, *p, withVariable(name, usage))
	s.annotate(name)
}

// Var adds a flag of one of the Values of this package.
func (s Set) Var(value pflag.Value, name, usage string) {
	s.flags.Var(value, name, withVariable(name, usage))
	s.annotate(name)
}

func (s Set) annotate(name string) {
	f := s.flags.Lookup(name)
	SetVariables(f, variable(name))
	if s.group != "" {
		annotate(f, groupAnnotation, s.group)
	}
}

func annotate(f *pflag.Flag, key string, values ...string) {
	if f.Annotations == nil {
		f.Annotations = map[string][]string{}
	}
	f.Annotations[key] = values
}

func variable(flag string) string {
	return "SHIPLOCK_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

func withVariable(name, usage string) string { return usage + " ($" + variable(name) + ")" }

// SetVariables sets the environment variables of a flag, in order of precedence.
func SetVariables(f *pflag.Flag, names ...string) { annotate(f, environmentAnnotation, names...) }

// Variables returns the environment variables of a flag, in order of precedence.
func Variables(f *pflag.Flag) []string { return f.Annotations[environmentAnnotation] }

// ApplyEnvironment sets each flag that is not on the command line from the first of its
// environment variables that is not empty. An empty variable counts as unset, as in libpq.
func ApplyEnvironment(fs *pflag.FlagSet, getenv func(string) string) error {
	var errs []error
	fs.VisitAll(func(f *pflag.Flag) {
		if f.Changed {
			return
		}
		for _, name := range Variables(f) {
			value := getenv(name)
			if value == "" {
				continue
			}
			if err := fs.Set(f.Name, value); err != nil {
				errs = append(errs, variableError(f, name, value, err))
			}
			return
		}
	})
	return errors.Join(errs...)
}
