package flags

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/shiplock/shiplock/internal/config"
)

// A ValueError is a value that a flag does not allow, though it has the flag's type.
type ValueError struct {
	Value string // quoted if it is a text
	Want  string // the allowed values
}

func (e *ValueError) Error() string { return "is " + e.Value + "; want " + e.Want }

// UsageError returns the error of pflag for a command line as an error with the exit code of
// a usage error. It is a cobra.Command's FlagErrorFunc.
func UsageError(cmd *cobra.Command, err error) error {
	problem := err.Error()
	var (
		notAllowed *ValueError
		invalid    *pflag.InvalidValueError
	)
	if errors.As(err, &invalid) {
		if errors.As(err, &notAllowed) {
			return notAllowedError(invalid.GetFlag(), notAllowed)
		}
		problem = fmt.Sprintf("--%s is %q; want %s", invalid.GetFlag().Name, invalid.GetValue(), expectedValue(invalid.GetFlag()))
	}
	return &config.UsageError{Problem: fmt.Sprintf("%s (run %s --help for a list of flags)", problem, cmd.CommandPath())}
}

// variableError returns the error of pflag for the value of an environment variable.
func variableError(f *pflag.Flag, name, value string, err error) error {
	var notAllowed *ValueError
	if errors.As(err, &notAllowed) {
		return notAllowedError(f, notAllowed)
	}
	return &config.UsageError{Problem: fmt.Sprintf("%s is %q; want %s. --%s: %s", name, value, expectedValue(f), f.Name, f.Usage)}
}

func notAllowedError(f *pflag.Flag, err *ValueError) error {
	return &config.UsageError{Problem: fmt.Sprintf("--%s %v", f.Name, err)}
}

// expectedValue describes the values that a flag's type accepts. The errors of Go's parsers do not.
func expectedValue(f *pflag.Flag) string {
	switch f.Value.Type() {
	case "uint":
		return "an integer, 0 or greater"
	case "int":
		return "an integer"
	case "duration":
		return "a duration with a unit, such as 30s or 5m"
	case "bool":
		return "true or false"
	}
	return "a " + f.Value.Type()
}
