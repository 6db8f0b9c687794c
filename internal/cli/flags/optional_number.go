package flags

import (
	"errors"
	"strconv"

	"github.com/spf13/pflag"
)

// interrupted is the value of an OptionalNumber without a number: the interrupted statement.
const interrupted = "interrupted"

// An OptionalNumber is the value of a flag with an optional value, the number of a statement.
type OptionalNumber struct {
	Given  bool
	Number int // 0 if the flag has no number
}

// AddTo adds the flag to fs.
func (n *OptionalNumber) AddTo(fs *pflag.FlagSet, name, usage string) {
	fs.Var(n, name, usage)
	fs.Lookup(name).NoOptDefVal = interrupted
}

func (n *OptionalNumber) String() string {
	if n.Number == 0 {
		return ""
	}
	return strconv.Itoa(n.Number)
}

// Type returns the type of the value in the help.
func (*OptionalNumber) Type() string { return "number" }

// Set parses the number. It also accepts "true" and "false", as a boolean flag does.
func (n *OptionalNumber) Set(s string) error {
	switch s {
	case interrupted, "true":
		*n = OptionalNumber{Given: true}
		return nil
	case "false":
		*n = OptionalNumber{}
		return nil
	}
	number, err := strconv.Atoi(s)
	if err != nil || number < 1 {
		return errors.New("must be the number of a statement, 1 or greater")
	}
	*n = OptionalNumber{Given: true, Number: number}
	return nil
}
