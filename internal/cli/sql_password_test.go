package cli_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestHistory_PasswordInSQL_NotStored also covers a file that is partially applied and resumed.
func TestHistory_PasswordInSQL_NotStored(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t, nil)
	role := strings.ReplaceAll(w.Name, " ", "_") + "_app"
	w.Exec(t, fmt.Sprintf("ALTER ROLE %q CREATEROLE", w.User))
	t.Cleanup(func() { w.Exec(t, "DROP ROLE IF EXISTS "+role) })
	w.write("1_a.up.sql", fmt.Sprintf("CREATE ROLE %s LOGIN PASSWORD 'm4rk-1';", role))
	w.write("1_a.down.sql", fmt.Sprintf("ALTER ROLE %s PASSWORD 'm4rk-2'; DROP ROLE %[1]s;", role))
	part := fmt.Sprintf("-- shiplock:no-transaction\nALTER ROLE %s PASSWORD 'm4rk-3';\nSELECT 1 / (SELECT n FROM zero);", role)
	w.write("2_b.up.sql", part)
	w.Exec(t, "CREATE TABLE zero AS SELECT 0 AS n; GRANT SELECT ON zero TO PUBLIC")
	out := w.mustExit(7, "up", "--log-format", "json")
	assert.NotEmpty(t, out.records("", "level", "WARN", "reason", "contains a password"))
	assert.NotContains(t, out.err, "m4rk")
	all := func() string {
		return w.Value(t, "SELECT string_agg(j::text, E'\\n') FROM schema_migrations_history j")
	}
	assert.NotContains(t, all(), "m4rk")

	w.write("2_b.up.sql", strings.Replace(part, "m4rk-3", "m4rk-4", 1))
	assert.Contains(t, w.mustExit(5, "up").err, "was changed afterwards")
	w.write("2_b.up.sql", part)
	w.Exec(t, "UPDATE zero SET n = 1")
	w.mustExit(0, "up")
	require.Equal(t, "1 up applied 1/1, 2 up applied 2/2", w.history())
	w.write("2_b.down.sql", "")
	w.mustExit(0, "down", "--to", "0")
	assert.NotContains(t, all(), "m4rk")
}
