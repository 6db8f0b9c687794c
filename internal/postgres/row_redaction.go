package postgres

import (
	"regexp"
	"strings"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"
)

// copyRowContext matches a row in the context of a COPY error: COPY guests, line 3: "…".
var copyRowContext = regexp.MustCompile(`(?m)^(COPY .*, line \d+): ".*$`)

// partitionKeyDetail is the prefix of a detail that shows only a key, and not the row.
const partitionKeyDetail = "Partition key of the failing row"

// redactRows removes the application's rows from an error: PostgreSQL shows all columns of a
// rejected row. A key, such as that of a duplicate, stays.
func redactRows(e *pq.Error) {
	switch e.Code {
	case pqerror.NotNullViolation, pqerror.CheckViolation, pqerror.WithCheckOptionViolation:
		if !strings.HasPrefix(e.Detail, partitionKeyDetail) {
			e.Detail = ""
		}
	}
	e.Where = copyRowContext.ReplaceAllString(e.Where, "$1")
}
