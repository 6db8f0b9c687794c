package planner

import (
	"fmt"

	"github.com/shiplock/shiplock/internal/sqlfile"
)

// lineEndingsRefusal refuses a file that differs from what was applied only in its line
// endings.
func lineEndingsRefusal(file, more string, ran sqlfile.LineEndings) error {
	difference, keep := "the file has LF where CRLF was applied", file+" text eol=crlf"
	switch ran {
	case sqlfile.LF:
		difference, keep = "the file has CRLF where LF was applied", "*.sql text eol=lf"
	case sqlfile.MixedLineEndings:
		difference, keep = "the file had both LF and CRLF when it was applied", file+" -text"
	}
	return &Refusal{
		Reason: fmt.Sprintf("%s%s was applied with other line endings", file, more),
		Why: difference + "; otherwise, it is identical. Git converts line endings like this with core.autocrlf. PostgreSQL stores the line breaks of a string " +
			"or a function body as they are in the file, so they count",
		Next: fmt.Sprintf("restore the line endings, and keep them with this line in .gitattributes: %s\n"+
			"or set --on-edited allow if the database is correct as it is", keep),
	}
}
