package postgres

import (
	"regexp"
	"strings"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"
)

// rowInContext is a row of COPY in the context of an error: COPY guests, line 3: "…".
var copyRowContext = regexp.MustCompile(`(?m)^(COPY .*, line \d+): ".*$`)

// partitionKey begins the one detail of such an error that shows only a key.
const partitionKeyDetail = "Partition key of the failing row"

// blur takes the application's rows out of what the server says: of a row that is
// not let in PostgreSQL shows all columns. A key, as of a duplicate, stays.
func redactRows(e *pq.Error) {
	switch e.Code {
	case pqerror.NotNullViolation, pqerror.CheckViolation, pqerror.WithCheckOptionViolation:
		if !strings.HasPrefix(e.Detail, partitionKeyDetail) {
			e.Detail = ""
		}
	}
	e.Where = copyRowContext.ReplaceAllString(e.Where, "$1")
}
