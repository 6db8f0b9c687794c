package postgres

import (
	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"

	"github.com/shiplock/shiplock/internal/servermessage"
)

// redactRows removes the application's rows from an error: PostgreSQL shows all columns of a
// rejected row. A key, such as that of a duplicate, stays.
func redactRows(e *pq.Error) {
	switch e.Code {
	case pqerror.NotNullViolation, pqerror.CheckViolation, pqerror.WithCheckOptionViolation:
		if !servermessage.ShowsOnlyKey(e) {
			e.Detail = ""
		}
	}
	e.Where = servermessage.ContextWithoutRows(e)
}
