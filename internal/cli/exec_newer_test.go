package cli_test

import (
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
)

// newUpgradedTool returns a tool of which version v1 and then v2 have succeeded, and which now fails, as many tools do for a
// version in their table that they have no file for.
func newUpgradedTool(t *testing.T) *toolFixture {
	b := newToolFixture(t, "sql 'CREATE TABLE a (b int)'")
	for _, version := range []string{"v1", "v2"} {
		out := b.run("--tool-version", version)
		assert.Zero(t, out.code, out.err)
		b.script("sql 'CREATE TABLE c (d int)'")
	}
	b.script("echo \"Can't locate revision identified by '0003'\" >&2; exit 1")
	return b
}

func TestExec_OlderVersionOnNewerDatabase_FailureAllowed(t *testing.T) {
	t.Parallel()
	b := newUpgradedTool(t)
	out := b.run("--tool-version", "v1")
	assert.Zero(t, out.code, out.err)
	assert.Contains(t, out.err, `msg="external tool failed without changes on a newer database, allowed"`)
	assert.Contains(t, out.err, "newer_version=v2")
	assert.Equal(t, "allowed", b.Value(t, "SELECT run_outcome FROM schema_migrations_exec_history ORDER BY run_id DESC LIMIT 1"))
	assert.Equal(t, "v1", b.Value(t, "SELECT run_tool_version FROM schema_migrations_exec_history ORDER BY run_id DESC LIMIT 1"))
}

func TestExec_OlderVersionOnNewerDatabase_Refused(t *testing.T) {
	t.Parallel()
	b := newUpgradedTool(t)
	out := b.run("--tool-version", "v1", "--on-newer", "fail")
	assert.Equal(t, 5, out.code, out.err)
	b.golden("exec-newer", regexp.MustCompile(`20\d\d-\S+Z`).ReplaceAllString(out.err, "TIME"))

	out = b.run("--on-newer", "fail")
	assert.Equal(t, 2, out.code, out.err)
	assert.Contains(t, out.err, "--on-newer fail requires --tool-version")
}

// TestExec_FailureOfOtherVersions_NotAllowed covers failures for which a newer version is not the reason.
func TestExec_FailureOfOtherVersions_NotAllowed(t *testing.T) {
	t.Parallel()
	b := newUpgradedTool(t)
	for name, flags := range map[string][]string{
		"the newest version": {"--tool-version", "v2"},
		"an unknown version": {"--tool-version", "v3"},
		"no version":         nil,
	} {
		out := b.run(flags...)
		assert.Equal(t, 6, out.code, "%s: %s", name, out.err)
	}
	b.script("sql 'CREATE TABLE e (f int)'; exit 1")
	out := b.run("--tool-version", "v1")
	assert.Equal(t, 7, out.code, "the schema changed: %s", out.err)
	b.script("kill -9 $$")
	out = b.run("--tool-version", "v1")
	assert.Equal(t, 6, out.code, "the tool was killed: %s", out.err)
}

// TestExec_FailedNewerVersion_Counts covers the rollback after a migration of the newer version that was partially applied. A
// version that is deployed again is not a newer one.
func TestExec_FailedNewerVersion_Counts(t *testing.T) {
	t.Parallel()
	b := newToolFixture(t, "sql 'CREATE TABLE a (b int)'")
	run := func(version, script string) int {
		b.script(script)
		return b.run("--tool-version", version).code
	}
	assert.Zero(t, run("v1", "sql 'CREATE TABLE a (b int)'"))
	assert.Equal(t, 6, run("v2", "exit 1"))
	assert.Equal(t, 6, run("v1", "exit 1"), "v2 changed nothing")
	assert.Equal(t, 7, run("v2", "sql 'CREATE TABLE c (d int)'; exit 1"))
	assert.Zero(t, run("v1", "exit 1"))
	assert.Zero(t, run("v1", "true"))
	assert.Equal(t, 6, run("v2", "exit 1"), "v1 is not newer than v2")
}
