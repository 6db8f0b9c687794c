package sqlfile

import (
	"fmt"
	"strconv"
	"strings"
)

// Directives are what the comments above a file's first statement tell us.
type Directives struct {
	// NoTransaction: the file must not run in one transaction.
	NoTransaction bool
	// MinCompatibleVersion is the oldest version of the files whose application can still
	// live with the migration; 0 where the file states none.
	MinCompatibleVersion uint
	// Irreversible: nothing undoes the migration, and that is on purpose.
	Irreversible bool
}

// The directives, each a comment of its own: "-- shiplock:no-transaction".
const (
	NoTransaction        = "shiplock:no-transaction"
	MinCompatibleVersion = "shiplock:min-compatible-version"
	Irreversible         = "shiplock:irreversible"
)

// ReadDirectives reads the comment lines that a file begins with. Errors are an
// *Error without File.
func ReadDirectives(sql string) (Directives, error) {
	var d Directives
	for i, line := range strings.Split(sql, "\n") {
		line = strings.TrimSpace(line)
		comment, isComment := strings.CutPrefix(line, "--")
		if line != "" && !isComment {
			break
		}
		if comment = strings.TrimSpace(comment); !strings.HasPrefix(comment, "shiplock:") {
			continue
		}
		if problem := d.read(comment); problem != "" {
			return Directives{}, &Error{Line: i + 1, Problem: problem}
		}
	}
	return d, nil
}

// read takes in one directive. It returns what is wrong with it.
func (d *Directives) read(comment string) (problem string) {
	name, argument, _ := strings.Cut(comment, " ")
	argument = strings.TrimSpace(argument)
	switch {
	case comment == NoTransaction:
		d.NoTransaction = true
	case comment == Irreversible:
		d.Irreversible = true
	case name == MinCompatibleVersion:
		v, err := strconv.ParseUint(argument, 10, 63)
		if err != nil || v == 0 {
			return fmt.Sprintf("%q: want the oldest version that can live with this migration, as in: -- %s 7", comment, MinCompatibleVersion)
		}
		d.MinCompatibleVersion = uint(v)
	default:
		return fmt.Sprintf("unknown directive %q; there are: -- %s, -- %s N, -- %s", comment, NoTransaction, MinCompatibleVersion, Irreversible)
	}
	return ""
}
