package plan

import (
	"fmt"

	"github.com/shiplock/shiplock/internal/sqlfile"
)

// lineEndingsRefusal refuses a file whose text is what ran but for its line endings.
func lineEndingsRefusal(file, more string, ran sqlfile.LineEndings) error {
	how, keep := "the file has LF where CRLF was applied", file+" text eol=crlf"
	switch ran {
	case sqlfile.LF:
		how, keep = "the file has CRLF where LF was applied", "*.sql text eol=lf"
	case sqlfile.MixedLineEndings:
		how, keep = "the file had both LF and CRLF when it was applied", file+" -text"
	}
	return &Refusal{
		Reason: fmt.Sprintf("%s%s was applied with other line endings", file, more),
		Why: how + ", as when git's core.autocrlf converts it, and is otherwise the same; PostgreSQL stores the line breaks of a string " +
			"or a function body as they are in the file, so they count",
		Next: fmt.Sprintf("restore the line endings, and keep them with this line in .gitattributes: %s\n"+
			"or pass --on-edited allow if the database is right as it is", keep),
	}
}
