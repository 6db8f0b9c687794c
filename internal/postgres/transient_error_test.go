package postgres

import (
	"testing"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"
	"github.com/stretchr/testify/assert"
)

func TestIsTransient_PoolerErrors(t *testing.T) {
	for _, c := range []struct {
		code, message string
		want          bool
	}{
		{"08P01", "the database system is starting up", true},
		{"08P01", "server login has been failing, try again later (server_login_retry)", true},
		{"08P01", "server login has been failing, cached error: the database system is starting up (server_login_retry)", true},
		{"08P01", "server login has been failing, cached error: password authentication failed for user \"app\" (server_login_retry)", false},
		{"08P01", "pgbouncer cannot connect to server", true},
		{"08P01", "query_wait_timeout", true},
		{"08P01", "no more connections allowed (max_client_conn)", true},
		{"08P01", "no such database: shop", false},
		{"08P01", "unsupported startup parameter: work_mem=64MB", false},
		{"08P01", "invalid frontend message", false},
		{"XX000", "MaxClientsInSessionMode: max clients reached - in Session mode max clients are limited to pool_size", true},
		{"XX000", "Tenant or user not found", false},
		{"58000", "could not get connection from the pool - AllServersDown", true},
		{"08006", "connection failure", true},
		{"57P03", "anything, in any language", true},
		{"28P01", "the database system is starting up", false},
	} {
		assert.Equal(t, c.want, isTransient(&pq.Error{Severity: "FATAL", Code: pqerror.Code(c.code), Message: c.message}), c.message)
	}
}
