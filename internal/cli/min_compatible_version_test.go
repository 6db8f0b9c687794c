package cli_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/shiplock/shiplock/internal/test/fixture"
)

// TestUp_BelowMinCompatibleVersion_Refused drops a column in version 3 that version 1 needs.
func TestUp_BelowMinCompatibleVersion_Refused(t *testing.T) {
	t.Parallel()
	files := map[string]string{"1_a.up.sql": "CREATE TABLE a (b int, c int)", "1_a.down.sql": "DROP TABLE a"}
	v1 := newWorkspace(t, files)
	files["2_b.up.sql"], files["2_b.down.sql"] = "SELECT 2", "SELECT 2"
	v2 := &workspace{Database: v1.Database, t: t, dir: fixture.FileMap(t, files)}
	files["3_c.up.sql"], files["3_c.down.sql"] = "-- shiplock:min-compatible-version 2\nALTER TABLE a DROP COLUMN c", "ALTER TABLE a ADD COLUMN c int"
	v3 := &workspace{Database: v1.Database, t: t, dir: fixture.FileMap(t, files)}
	v1.mustExit(0, "up")
	v1.mustExit(0, "wait", "--timeout", "1m")
	assert.Empty(t, v3.mustExit(0, "up").records("", "level", "WARN", "changes", ""))

	golden(t, "below-min-compatible-version", v1.mustExit(5, "up").err)
	v1.mustExit(5, "up", "--on-newer", "fail")
	v1.mustExit(5, "plan")
	golden(t, "below-min-compatible-version", strings.Replace(v1.mustExit(5, "wait", "--timeout", "1m").err, "this command makes no changes", "no changes were made", 1))
	assert.Regexp(t, `3 +c +applied, file is missing, min compatible version 2`, v1.mustExit(0, "status").stdout)
	assert.Contains(t, v2.mustExit(0, "up").err, `unknown_migrations="3 (c)"`)
	v2.mustExit(0, "wait", "--timeout", "1m")

	v1.mustExit(124, "wait", "--on-newer", "down", "--timeout", "3s")
	v1.mustExit(0, "up", "--on-newer", "down")
	assert.Equal(t, "1", v1.Value(t, "SELECT version FROM schema_migrations"))
	v1.mustExit(0, "up")
	v1.mustExit(0, "wait", "--on-newer", "down", "--timeout", "1m")
}

// TestUp_OnNewerDownWithDataLoss_Refused checks that up refuses the rollbacks that down refuses.
func TestUp_OnNewerDownWithDataLoss_Refused(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t, map[string]string{"1_a.up.sql": "CREATE TABLE a (b int)"})
	v2 := &workspace{Database: w.Database, t: t, dir: fixture.FileMap(t, map[string]string{"1_a.up.sql": "CREATE TABLE a (b int)", "2_b.up.sql": "CREATE TABLE b AS SELECT 1 AS c", "2_b.down.sql": "DROP TABLE b"})}
	v2.mustExit(0, "up")
	out := w.mustExit(5, "up", "--on-newer", "down")
	assert.Contains(t, out.err, "1 row of table public.b (DROP TABLE, history:2_b.down.sql:1)")
	assert.Equal(t, "2", w.Value(t, "SELECT version FROM schema_migrations"))
	w.mustExit(0, "up", "--on-newer", "down", "--allow-data-loss")
	assert.Equal(t, "1", w.Value(t, "SELECT version FROM schema_migrations"))
}

func TestUp_IncompatibleChange_Warns(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t, map[string]string{"1_a.up.sql": "CREATE TABLE a (b int, c text); DROP TABLE IF EXISTS nope", "1_a.down.sql": "DROP TABLE a"})
	assert.Empty(t, w.mustExit(0, "up").records("", "level", "WARN", "changes", ""), "there is no older version")
	w.write("2_b.up.sql", "-- contract\nALTER TABLE a DROP COLUMN b,\n  ALTER COLUMN c TYPE varchar(10);\nALTER TABLE a RENAME TO aa;")
	w.write("2_b.down.sql", "SELECT 2")
	w.write("3_c.up.sql", "-- shiplock:min-compatible-version 2\nDROP TABLE aa")
	w.write("3_c.down.sql", "SELECT 3")
	var warned []string
	for line := range strings.Lines(w.mustExit(0, "up").err) {
		if strings.Contains(line, "level=WARN") {
			warned = append(warned, regexp.MustCompile(`^time=\S+ `).ReplaceAllString(line, ""))
		}
	}
	fixture.Golden(t, "incompatible-changes.golden", fixture.Mask(strings.Join(warned, "")))
}

func TestUp_InvalidDirective_RefusedBeforeRunning(t *testing.T) {
	t.Parallel()
	for directive, want := range map[string]string{
		"min-compatible-version 3":    "-- shiplock:min-compatible-version 3 is above the version of this migration",
		"min-compatible-version soon": "want the oldest version that is compatible with this migration",
		"ireversible":                 "unknown directive",
	} {
		w := newWorkspace(t, map[string]string{"1_a.up.sql": "CREATE TABLE a (b int)", "2_b.up.sql": "-- shiplock:" + directive + "\nSELECT 2"})
		assert.Contains(t, w.mustExit(5, "up").err, want)
		assert.Empty(t, w.Value(t, "SELECT to_regclass('a')"))
	}
}
