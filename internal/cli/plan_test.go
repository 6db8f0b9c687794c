package cli_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/migrator"
)

func TestPlan_Pending_StepsShown(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t, map[string]string{"1_a.up.sql": "CREATE TABLE a (b int); SELECT 1", "3_i.up.sql": "SELECT 1; CREATE INDEX CONCURRENTLY i ON a (b)"})
	out := w.mustExit(0, "plan")
	assert.Regexp(t, `(?s)version +none\nplan +2 migrations, to version 3\n\nVERSION.*\n1 +1_a.up.sql +2 +one transaction\n3 +3_i.up.sql +2 +statement by statement\n$`, out.stdout)
	assert.Empty(t, w.Value(t, "SELECT to_regclass('schema_migrations')"), "it changes nothing")

	var p migrator.Preview
	require.NoError(t, json.Unmarshal([]byte(w.mustExit(0, "plan", "-o", "json").stdout), &p))
	three := uint(3)
	assert.Equal(t, migrator.Preview{Database: p.Database, To: &three, Steps: []migrator.PreviewStep{
		{Version: 1, Direction: "up", File: "1_a.up.sql", Statements: 2, Transactional: true}, {Version: 3, Direction: "up", File: "3_i.up.sql", Statements: 2},
	}}, p)

	w.mustExit(0, "up")
	assert.Contains(t, w.mustExit(0, "plan").stdout, "nothing to do")
	w.write("4_x.up.sql", "SELECT 1; VACUUM nope")
	w.mustExit(7, "up")
	assert.Regexp(t, `4 +4_x.up.sql +2 +statement by statement, resuming after statement 1`, w.mustExit(0, "plan").stdout)
	w.Exec(t, "UPDATE schema_migrations SET version = 9, dirty = false")
	assert.Contains(t, w.mustExit(0, "plan").stdout, "ahead of the migration files")
}

func TestPlan_UpWouldRefuse_Refused(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t, map[string]string{"1_a.up.sql": "SELECT 1", "5_b.up.sql": "SELECT 1"})
	w.mustExit(0, "up")
	w.write("3_late.up.sql", "SELECT 1")
	assert.Contains(t, w.mustExit(5, "plan").err, "3_late.up.sql is pending")
	w.mustExit(0, "plan", "--out-of-order", "apply")
	w.write("6_text.up.sql", "SELECT 'caf\xe9'")
	assert.Contains(t, w.mustExit(5, "plan", "--out-of-order", "apply").err, "6_text.up.sql")
	w.write("6_text.up.sql", "SELECT 1; VACUUM")
	assert.Contains(t, w.mustExit(5, "plan", "--out-of-order", "apply", "--tx-mode", "all").err, "VACUUM")
	w.mustExit(2, "plan", "-o", "xml")
}
