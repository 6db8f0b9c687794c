package pgtest

import (
	"fmt"
	"testing"

	"github.com/lib/pq"
)

// Encoded creates a database of d's owner with an encoding. It is dropped when the test ends.
func (d *Database) Encoded(t testing.TB, encoding string) *Database {
	t.Helper()
	other := *d
	other.Name = d.Name + " " + encoding
	mustExec(t, d.admin, fmt.Sprintf("CREATE DATABASE %s OWNER %s TEMPLATE template0 ENCODING %s LC_COLLATE 'C' LC_CTYPE 'C'",
		pq.QuoteIdentifier(other.Name), pq.QuoteIdentifier(d.User), pq.QuoteLiteral(encoding)))
	other.admin = open(t, d.server.keywords(superuser, password, other.Name))
	mustExec(t, other.admin, "GRANT ALL ON SCHEMA public TO "+pq.QuoteIdentifier(d.User))
	t.Cleanup(func() {
		_ = other.admin.Close()
		mustExec(t, d.admin, fmt.Sprintf("DROP DATABASE %s WITH (FORCE)", pq.QuoteIdentifier(other.Name)))
	})
	return other.record(t)
}
