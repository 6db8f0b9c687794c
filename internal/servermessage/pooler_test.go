package servermessage

import (
	"testing"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"
	"github.com/stretchr/testify/assert"
)

func TestRefusedParameter(t *testing.T) {
	for _, c := range []struct {
		code, message, name string
		pooler              bool
	}{
		{"08P01", "unsupported startup parameter: search_path", "search_path", true},
		{"08P01", "unsupported startup parameter: statement_timeout=5000", "statement_timeout", true},
		{"08P01", "unsupported startup parameter in options: geqo", "options", true},
		{"0A000", "Feature not supported: RDS Proxy currently doesn't support command-line options.", "options", true},
		{"42704", "unrecognized configuration parameter \"pool_size\"", "pool_size", false},
		{"08P01", "no such database: x", "", false},
		{"42704", "role \"x\" does not exist", "", false},
	} {
		name, pooler := RefusedParameter(&pq.Error{Code: pqerror.Code(c.code), Message: c.message})
		assert.Equal(t, c.name, name, c.message)
		assert.Equal(t, c.pooler, pooler, c.message)
	}
}
