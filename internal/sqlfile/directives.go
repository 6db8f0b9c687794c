package sqlfile

import (
	"fmt"
	"strconv"
	"strings"
)

// Directives are the directives in the comments above a file's first statement.
type Directives struct {
	// NoTransaction reports whether the file must not run in one transaction.
	NoTransaction bool
	// MinCompatibleVersion is the oldest version of the files whose application is
	// compatible with the migration; 0 if the file states none.
	MinCompatibleVersion uint
	// Irreversible reports whether the migration cannot be rolled back, on purpose.
	Irreversible bool
}

// The names of the directives. Each is a comment line such as "-- shiplock:no-transaction".
const (
	NoTransaction        = "shiplock:no-transaction"
	MinCompatibleVersion = "shiplock:min-compatible-version"
	Irreversible         = "shiplock:irreversible"
	// Allow silences a rule of migrator check for a statement; it does not affect how a file runs.
	Allow = "shiplock:allow"
)

// ReadDirectives reads the directives in the comment lines at the beginning of a file.
// Errors are an *Error without File.
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

// read parses one directive. It returns a description of the problem, if there is one.
func (d *Directives) read(comment string) (problem string) {
	name, argument, _ := strings.Cut(comment, " ")
	argument = strings.TrimSpace(argument)
	switch {
	case comment == NoTransaction:
		d.NoTransaction = true
	case comment == Irreversible:
		d.Irreversible = true
	case name == Allow: // checked by migrator check
	case name == MinCompatibleVersion:
		v, err := strconv.ParseUint(argument, 10, 63)
		if err != nil || v == 0 {
			return fmt.Sprintf("%q: want the oldest version that is compatible with this migration, such as: -- %s 7", comment, MinCompatibleVersion)
		}
		d.MinCompatibleVersion = uint(v)
	default:
		return fmt.Sprintf("unknown directive %q; want -- %s, -- %s N, -- %s or -- %s RULE: reason", comment, NoTransaction, MinCompatibleVersion, Irreversible, Allow)
	}
	return ""
}
