package cli_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/check/finding"
	"github.com/shiplock/shiplock/internal/test/fixture"
	"github.com/shiplock/shiplock/internal/test/gitrepo"
)

// branches returns a repository in which two branches took version 2.
func branches(t *testing.T) *gitrepo.Repository {
	t.Helper()
	r := gitrepo.New(t, map[string]string{
		"0001_users.up.sql": "CREATE TABLE users (id bigint);", "0001_users.down.sql": "DROP TABLE users;",
		"0002_orders.up.sql": "CREATE TABLE orders (id bigint);", "0002_orders.down.sql": "DROP TABLE orders;",
	})
	r.Write("0002_items.up.sql", "-- shiplock:irreversible\nCREATE TABLE items (id bigint);")
	r.Write("0001_users.up.sql", "CREATE TABLE users (id int);")
	return r
}

func TestCheck_Errors_ReportMatchesGolden(t *testing.T) {
	t.Parallel()
	r := branches(t)
	out := call(t.Context(), "check", "--source", r.Migrations(), "--base", "main")
	assert.Equal(t, 5, out.code)
	golden(t, "check-errors", out.err)
	assert.Contains(t, out.stdout, r.Migrations()+"/0002_items.up.sql:1: error: version 2 is taken by 0002_orders.up.sql in main")
	assert.Contains(t, out.stdout, "5 files checked, 1 new since main, which is at version 2: 2 errors, 0 warnings\n")
}

func TestCheck_Renumber_RemovesCollision(t *testing.T) {
	t.Parallel()
	r := branches(t)
	r.Git("checkout", "migrations/0001_users.up.sql")
	out := call(t.Context(), "check", "--source", r.Migrations(), "--base", "main", "--renumber")
	assert.Zero(t, out.code, out.err)
	assert.Equal(t, r.Migrations()+"/0002_items.up.sql -> 0003_items.up.sql\n", out.stdout)
	out = call(t.Context(), "check", "--source", r.Migrations(), "--base", "main")
	assert.Zero(t, out.code, out.stdout)
	assert.Empty(t, out.err)
	out = call(t.Context(), "check", "--source", r.Migrations(), "--base", "main", "--renumber")
	assert.Equal(t, "nothing to rename\n", out.stdout)
}

func TestCheck_UnknownBase_ReportMatchesGolden(t *testing.T) {
	t.Parallel()
	out := call(t.Context(), "check", "--source", branches(t).Migrations(), "--base", "origin/main")
	assert.Equal(t, 2, out.code)
	golden(t, "check-base", out.err)
}

func TestCheck_InvalidSettings_ReportMatchesGolden(t *testing.T) {
	t.Parallel()
	r := branches(t)
	r.Write("../.shiplock.yaml", "check:\n  rules:\n    no-such-rule: error\n")
	out := call(t.Context(), "check", "--source", r.Migrations(), "--base", "main")
	assert.Equal(t, 2, out.code)
	golden(t, "check-settings", out.err)
}

func TestCheck_Outputs_FormatsAndFiles(t *testing.T) {
	t.Parallel()
	r, report := branches(t), filepath.Join(t.TempDir(), "gl.json")
	out := call(t.Context(), "check", "--source", r.Migrations(), "--base", "main", "-o", "json", "-o", "gitlab="+report)
	assert.Equal(t, 5, out.code)
	var result struct {
		NewFiles int `json:"new_files"`
		Findings []finding.Finding
	}
	require.NoError(t, json.Unmarshal([]byte(out.stdout), &result))
	assert.Equal(t, 1, result.NewFiles)
	assert.Len(t, result.Findings, 2)
	written, err := os.ReadFile(report)
	require.NoError(t, err)
	assert.Contains(t, string(written), `"path": "migrations/0002_items.up.sql"`)

	out = call(t.Context(), "check", "--source", r.Migrations(), "-o", "xml")
	assert.Equal(t, 2, out.code)
	assert.Contains(t, out.err, `invalid --output "xml": want text, json, sarif, gitlab or markdown`)
}

func TestCheck_Rules_Listed(t *testing.T) {
	t.Parallel()
	out := call(t.Context(), "check", "--rules")
	assert.Zero(t, out.code)
	for _, r := range finding.Rules {
		assert.Regexp(t, `(?m)^`+r.ID+` +`+string(r.Severity)+` +`, out.stdout)
	}
}

// TestCheck_GitHubActions_Annotates cannot run in parallel: it sets variables.
func TestCheck_GitHubActions_Annotates(t *testing.T) {
	r, summary := branches(t), filepath.Join(t.TempDir(), "summary.md")
	t.Setenv("GITHUB_ACTIONS", "true")
	t.Setenv("GITHUB_WORKSPACE", r.Dir)
	t.Setenv("GITHUB_STEP_SUMMARY", summary)
	out := call(t.Context(), "check", "--source", r.Migrations(), "--base", "main")
	assert.Equal(t, 5, out.code)
	assert.Contains(t, out.err, "::error file=migrations/0002_items.up.sql,line=1,title=0002_items.up.sql%3A duplicate-version::version 2 is taken")
	text, err := os.ReadFile(summary)
	require.NoError(t, err)
	assert.Contains(t, string(text), "merged-file-edited")
}

// TestCheck_ThousandFiles_Found is for the time of a directory of 1,000 files; the limit is that of a
// busy machine.
func TestCheck_ThousandFiles_Found(t *testing.T) {
	t.Parallel()
	files := map[string]string{}
	for i := range 500 {
		name := string([]byte{'0' + byte(i/100), '0' + byte(i/10%10), '0' + byte(i%10)})
		files[name+"1_t.up.sql"] = "CREATE TABLE t" + name + " (id bigint PRIMARY KEY, name text NOT NULL);\n"
		files[name+"1_t.down.sql"] = "DROP TABLE t" + name + ";\n"
	}
	dir := fixture.FileMap(t, files)
	out := call(t.Context(), "check", "--source", dir)
	assert.Zero(t, out.code, out.err)
	assert.Equal(t, "1000 files checked, no base, so every file is new (set --base): 0 errors, 0 warnings\n", out.stdout)
}
