package cli_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/status"
)

func TestStatus_LastRunFailed_ReasonShown(t *testing.T) {
	t.Setenv("SHIPLOCK_RELEASE", "booking")
	t.Setenv("SHIPLOCK_REVISION", "3")
	w := newWorkspace(t, map[string]string{"1_a.up.sql": "CREATE TABLE a (b int PRIMARY KEY, c text);"})
	w.mustExit(0, "up")
	assert.NotContains(t, w.mustExit(0, "status").stdout, "last run")
	w.write("2_b.up.sql", "INSERT INTO a VALUES (1);\nINSERT INTO a VALUES (1);\n")
	w.mustExit(6, "up")
	out := w.mustExit(0, "status").stdout
	assert.Regexp(t, `\nlast run +version 2 up failed and was rolled back, 20\d\d-\S+ \S+Z, by test \d+ owner \(booking, revision 3\)\n`, out)
	assert.Regexp(t, `\nreason +migration 2_b.up.sql:2:13 \(version 2 up\): pq: duplicate key value violates unique constraint "a_pkey" \(23505\): Key \(b\)=\(1\) already exists.\n`, out)
	var st status.Status
	require.NoError(t, json.Unmarshal([]byte(w.mustExit(0, "status", "-o", "json").stdout), &st))
	require.NotNil(t, st.LastFailure)
	assert.Equal(t, "failed", st.LastFailure.Outcome)
	assert.EqualValues(t, 2, st.LastFailure.Version)

	// status and history contain no rows of the application
	w.write("2_b.up.sql", "ALTER TABLE a ADD d text;\nALTER TABLE a ALTER c SET NOT NULL;\nINSERT INTO a (b, d) VALUES (7, reverse('terces-dekram'));\n")
	w.mustExit(6, "up")
	all := w.mustExit(0, "status").stdout + w.Value(t, "SELECT string_agg(run_error, ' ') FROM schema_migrations_history")
	assert.Contains(t, all, `null value in column "c"`)
	assert.NotContains(t, all, "marked-secret")

	w.write("2_b.up.sql", "CREATE INDEX CONCURRENTLY i ON a (b);\nCREATE INDEX CONCURRENTLY j ON a (nope);\n")
	w.mustExit(7, "up")
	assert.Contains(t, w.mustExit(0, "status").stdout, "version 2 up partially applied")
	w.write("2_b.up.sql", "CREATE INDEX CONCURRENTLY i ON a (b);\nSELECT 1;\n")
	w.mustExit(0, "up")
	assert.NotContains(t, w.mustExit(0, "status").stdout, "last run")
}
