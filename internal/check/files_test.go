package check_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/check"
	"github.com/shiplock/shiplock/internal/check/finding"
	"github.com/shiplock/shiplock/internal/check/gitbase"
	"github.com/shiplock/shiplock/internal/test/fixture"
	"github.com/shiplock/shiplock/internal/test/gitrepo"
)

// merged are the migrations of the base.
var merged = map[string]string{
	"0001_users.up.sql": "CREATE TABLE users (id bigint PRIMARY KEY);\n", "0001_users.down.sql": "DROP TABLE users;\n",
	"0002_orders.up.sql": "CREATE TABLE orders (id bigint PRIMARY KEY);\n", "0002_orders.down.sql": "DROP TABLE orders;\n",
	"0003_items.up.sql": "CREATE TABLE items (id bigint PRIMARY KEY);\n", "0003_items.down.sql": "DROP TABLE items;\n",
}

// run checks the repository against its branch main.
func run(t *testing.T, r *gitrepo.Repository) check.Result {
	t.Helper()
	result, err := check.Run(t.Context(), check.Options{Source: r.Migrations(), Base: "main"})
	var failed *check.FailedError
	if finding.Count(result.Findings, finding.Error) > 0 {
		require.ErrorAs(t, err, &failed)
	} else {
		require.NoError(t, err)
	}
	return result
}

// summaries returns findings as "FILE:LINE RULE".
func summaries(findings []finding.Finding) []string {
	out := []string{}
	for _, f := range findings {
		out = append(out, fmt.Sprintf("%s:%d %s", f.File, f.Line, f.Rule))
	}
	return out
}

func TestRun_Files_FindingsMatch(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*gitrepo.Repository)
		want   []string
	}{
		"nothing new": {func(*gitrepo.Repository) {}, nil},
		"new pair": {func(r *gitrepo.Repository) {
			r.Write("0004_a.up.sql", "CREATE TABLE a (id int);")
			r.Write("0004_a.down.sql", "DROP TABLE a;")
		}, nil},
		"version taken in the base": {func(r *gitrepo.Repository) {
			r.Write("0003_phone.up.sql", "CREATE TABLE phone (id int);")
			r.Write("0003_phone.down.sql", "DROP TABLE phone;")
		}, []string{"0003_phone.down.sql:1 duplicate-version", "0003_phone.up.sql:1 duplicate-version"}},
		"version taken twice": {func(r *gitrepo.Repository) {
			r.Write("0004_a.up.sql", "-- shiplock:irreversible\nCREATE TABLE a (id int);")
			r.Write("0004_b.up.sql", "-- shiplock:irreversible\nCREATE TABLE b (id int);")
		}, []string{"0004_b.up.sql:1 duplicate-version"}},
		"version below the base": {func(r *gitrepo.Repository) {
			r.Write("0000_first.up.sql", "-- shiplock:irreversible\nCREATE TABLE a (id int);")
		}, []string{"0000_first.up.sql:1 version-not-above-base"}},
		"merged file edited": {func(r *gitrepo.Repository) {
			r.Write("0002_orders.up.sql", "-- orders\nCREATE TABLE orders (id int PRIMARY KEY);\n")
		}, []string{"0002_orders.up.sql:1 merged-file-edited"}},
		"comment of a merged file edited": {func(r *gitrepo.Repository) {
			r.Write("0002_orders.up.sql", "-- orders\nCREATE  TABLE orders (id bigint PRIMARY KEY); -- all of them\n")
		}, nil},
		"merged down file improved": {func(r *gitrepo.Repository) { r.Write("0002_orders.down.sql", "DROP TABLE IF EXISTS orders;\n") }, nil},
		"merged migration deleted": {func(r *gitrepo.Repository) {
			r.Remove("0003_items.up.sql")
			r.Remove("0003_items.down.sql")
		}, []string{"0003_items.down.sql:1 merged-file-deleted", "0003_items.up.sql:1 merged-file-deleted"}},
		"merged file with another version": {func(r *gitrepo.Repository) {
			r.Git("mv", "migrations/0003_items.up.sql", "migrations/0005_items.up.sql")
			r.Git("mv", "migrations/0003_items.down.sql", "migrations/0005_items.down.sql")
		}, []string{"0005_items.down.sql:1 merged-file-renamed", "0005_items.up.sql:1 merged-file-renamed"}},
		"merged file with another name": {func(r *gitrepo.Repository) {
			r.Git("mv", "migrations/0003_items.up.sql", "migrations/0003_things.up.sql")
			r.Git("mv", "migrations/0003_items.down.sql", "migrations/0003_things.down.sql")
		}, []string{"0003_things.down.sql:1 merged-file-renamed", "0003_things.up.sql:1 merged-file-renamed"}},
		"invalid names": {func(r *gitrepo.Repository) {
			r.Write("0004-a.sql", "SELECT 1;")
			r.Write("0005_b.up.sql.orig.sql", "-- shiplock:irreversible\nSELECT 1;")
			r.Write("notes.txt", "not SQL")
		}, []string{"0004-a.sql:1 invalid-file-name"}},
		"missing up":   {func(r *gitrepo.Repository) { r.Write("0004_a.down.sql", "DROP TABLE a;") }, []string{"0004_a.down.sql:1 missing-up"}},
		"missing down": {func(r *gitrepo.Repository) { r.Write("0004_a.up.sql", "SELECT 1;") }, []string{"0004_a.up.sql:1 missing-down"}},
		"down file of a merged migration added": {func(r *gitrepo.Repository) {
			r.Git("checkout", "-q", "main")
			r.Write("0004_a.up.sql", "SELECT 1;")
			r.Commit("without a down file")
			r.Git("checkout", "-q", "feature")
			r.Git("merge", "-q", "main")
			r.Write("0004_a.down.sql", "SELECT 1;")
		}, nil},
		"different names": {func(r *gitrepo.Repository) {
			r.Write("0004_a.up.sql", "SELECT 1;")
			r.Write("0004_b.down.sql", "SELECT 1;")
		}, []string{"0004_b.down.sql:1 mismatched-names"}},
		"directives": {func(r *gitrepo.Repository) {
			r.Write("0004_a.up.sql", "-- shiplock:irreversible\n\nCREATE TABLE a (id int);\n-- shiplock:no-transaction\n")
			r.Write("0004_a.down.sql", "-- shiplock:min-compatible-version 3\nDROP TABLE a;")
			r.Write("0005_b.up.sql", "-- shiplock:irreversible\n-- shiplock:no-transaction\nBEGIN;\nCREATE TABLE b (id int);\nCOMMIT;\n")
			r.Write("0006_c.up.sql", "-- shiplock:irreversible\n-- shiplock:min-compatible-version 5\n-- shiplock:min-compatible-version 4\nCREATE TABLE c (id int);")
			r.Write("0007_d.up.sql", "-- shiplock:irreversible\n-- shiplock:min-compatible-version 8\nCREATE TABLE d (id int);")
			r.Write("0008_e.up.sql", "-- shiplock:irreversibel\nCREATE TABLE e (id int);")
			r.Write("0008_e.down.sql", "DROP TABLE e;")
			r.Write("0009_f.up.sql", "-- shiplock:irreversible\n/* a */\n-- shiplock:no-transaction\nCREATE TABLE f (id int);")
		}, []string{
			"0004_a.down.sql:1 invalid-directive", "0004_a.up.sql:1 contradictory-directives", "0004_a.up.sql:4 invalid-directive",
			"0005_b.up.sql:2 contradictory-directives", "0006_c.up.sql:3 contradictory-directives", "0007_d.up.sql:2 contradictory-directives",
			"0008_e.up.sql:1 invalid-directive", "0009_f.up.sql:3 invalid-directive",
		}},
		"unreadable SQL": {func(r *gitrepo.Repository) {
			r.Write("0004_a.up.sql", "-- shiplock:irreversible\nCREATE TABLE a (id int);\n\nALTER TABEL a ADD b int;\n")
			r.Write("0005_b.up.sql", "-- shiplock:irreversible\nSELECT 'open;\n")
		}, []string{"0004_a.up.sql:4 unreadable-sql", "0005_b.up.sql:2 unreadable-sql"}},
		"allow": {func(r *gitrepo.Repository) {
			r.Write("0004_a.up.sql", "-- shiplock:allow missing-down: data only\nSELECT 1;")
		}, nil},
		"invalid allows": {func(r *gitrepo.Repository) {
			r.Write("0004_a.up.sql", "-- shiplock:irreversible\n-- shiplock:allow missing-dwon: typo\n-- shiplock:allow missing-down:\n-- shiplock:allow missing-down: not missing\n-- shiplock:allow\nSELECT 1;")
		}, []string{"0004_a.up.sql:2 invalid-allow", "0004_a.up.sql:3 invalid-allow", "0004_a.up.sql:4 unused-allow", "0004_a.up.sql:5 invalid-allow"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := gitrepo.New(t, merged)
			c.change(r)
			slices.Sort(c.want)
			assert.Equal(t, append([]string{}, c.want...), summaries(run(t, r).Findings))
		})
	}
}

// TestRun_BranchBehindBase_OnlyOwnChangesReported checks a branch whose base has newer commits.
func TestRun_BranchBehindBase_OnlyOwnChangesReported(t *testing.T) {
	t.Parallel()
	r := gitrepo.New(t, merged)
	r.Git("checkout", "-q", "main")
	r.Write("0004_new.up.sql", "SELECT 1;")
	r.Write("0002_orders.up.sql", "SELECT 2;") // edited in the base
	r.Commit("main moves ahead")
	r.Git("checkout", "-q", "feature")
	r.Write("0005_own.up.sql", "-- shiplock:irreversible\nSELECT 5;")
	got := run(t, r)
	assert.Empty(t, summaries(got.Findings))
	assert.Equal(t, uint(4), got.Base.Version)
	assert.Equal(t, 1, got.NewFiles)

	r.Write("0004_own.up.sql", "-- shiplock:irreversible\nSELECT 4;")
	assert.Equal(t, []string{"0004_own.up.sql:1 duplicate-version"}, summaries(run(t, r).Findings))
}

// TestRun_SquashMerge_NothingReported checks a branch that was made from one that is squashed into
// the base.
func TestRun_SquashMerge_NothingReported(t *testing.T) {
	t.Parallel()
	r := gitrepo.New(t, merged)
	r.Write("0004_a.up.sql", "-- shiplock:irreversible\nSELECT 4;")
	r.Commit("part 1")
	r.Git("checkout", "-q", "-b", "second")
	r.Write("0005_b.up.sql", "-- shiplock:irreversible\nSELECT 5;")
	r.Commit("part 2")
	r.Git("checkout", "-q", "main")
	r.Git("merge", "-q", "--squash", "feature")
	r.Commit("squashed")
	r.Git("checkout", "-q", "second")
	got := run(t, r)
	assert.Empty(t, summaries(got.Findings))
	assert.Equal(t, 1, got.NewFiles)

	r.Git("checkout", "-q", "main")
	r.Write("0004_a.up.sql", "-- shiplock:irreversible\nSELECT 44;")
	r.Commit("edited in the review")
	r.Git("checkout", "-q", "second")
	assert.Equal(t, []string{"0004_a.up.sql:2 merged-file-edited"}, summaries(run(t, r).Findings))
}

// TestRun_ShallowClone_Compared checks a clone that has only the two commits.
func TestRun_ShallowClone_Compared(t *testing.T) {
	t.Parallel()
	origin := gitrepo.New(t, merged)
	origin.Write("0003_phone.up.sql", "-- shiplock:irreversible\nSELECT 3;")
	origin.Write("0002_orders.up.sql", "SELECT 2;")
	origin.Commit("feature")
	origin.Git("checkout", "-q", "main")
	origin.Write("0004_new.up.sql", "-- shiplock:irreversible\nSELECT 4;")
	origin.Commit("main moves ahead")
	dir := filepath.Join(t.TempDir(), "clone")
	origin.Git("clone", "-q", "--depth=1", "--single-branch", "--branch=feature", "file://"+origin.Dir, dir)
	clone := gitrepo.At(t, dir)

	_, err := check.Run(t.Context(), check.Options{Source: clone.Migrations(), Base: "origin/main"})
	var unknown *gitbase.Error
	require.ErrorAs(t, err, &unknown)
	assert.Equal(t, "fetch it first; a shallow fetch suffices: git fetch --depth=1 origin +main:refs/remotes/origin/main", unknown.Advice)

	clone.Git("fetch", "-q", "--depth=1", "origin", "+main:refs/remotes/origin/main")
	got, err := check.Run(t.Context(), check.Options{Source: clone.Migrations(), Base: "origin/main"})
	require.Error(t, err)
	assert.Equal(t, []string{"0002_orders.up.sql:1 merged-file-edited", "0003_phone.up.sql:1 duplicate-version", "0004_new.up.sql:1 behind-base"}, summaries(got.Findings))
}

func TestRun_NoBase_EveryFileNew(t *testing.T) {
	t.Parallel()
	dir := fixture.FileMap(t, map[string]string{"1_a.up.sql": "SELECT 1;", "2_b.up.sql": "SELECT 2;", "2_b.down.sql": ""})
	got, err := check.Run(t.Context(), check.Options{Source: dir})
	require.NoError(t, err)
	assert.Nil(t, got.Base)
	assert.Equal(t, 3, got.NewFiles)
	assert.Equal(t, []string{"1_a.up.sql:1 missing-down"}, summaries(got.Findings))
}

func TestRun_NoBaseGiven_RemoteDefaultBranch(t *testing.T) {
	t.Parallel()
	origin := gitrepo.New(t, merged)
	origin.Git("checkout", "-q", "main")
	dir := filepath.Join(t.TempDir(), "clone")
	origin.Git("clone", "-q", origin.Dir, dir)
	clone := gitrepo.At(t, dir)
	clone.Write("0003_x.up.sql", "SELECT 1;")
	got, err := check.Run(t.Context(), check.Options{Source: clone.Migrations()})
	require.Error(t, err)
	assert.Equal(t, "origin/main", got.Base.Ref)
	assert.Equal(t, "migrations", got.Directory)
	assert.Equal(t, []string{"0003_x.up.sql:1 duplicate-version"}, summaries(got.Findings))
}

func TestRun_Settings_ChangeSeverities(t *testing.T) {
	t.Parallel()
	r := gitrepo.New(t, merged)
	r.Write("0004_a.up.sql", "SELECT 1;")
	r.Write("0004_b.down.sql", "SELECT 1;")
	r.Write("../.shiplock.yaml", "check:\n  rules:\n    mismatched-names: error\n")
	got := run(t, r)
	require.Len(t, got.Findings, 1)
	assert.Equal(t, finding.Error, got.Findings[0].Severity)
	r.Write("../.shiplock.yaml", "check:\n  rules: {mismatched-names: off}\n")
	assert.Empty(t, run(t, r).Findings)
	for text, problem := range map[string]string{
		"check:\n  rules:\n    nope: error":           ":3: unknown rule \"nope\"; `migrator check --rules` lists the rules",
		"check:\n  rules:\n    missing-up: fatal":     `:3: severity "fatal" of rule missing-up: want error, warning or off`,
		"check:\n  rules: [missing-up]":               ":2: check.rules: want RULE: error, warning or off",
		"checks: {}":                                  "field checks not found",
		"check:\n  postgres-version: 9":               ": check.postgres-version 9: want a major version from 14 to 18",
		"check:\n  rules:\n    missing-up: [error]\n": `:3: severity "" of rule missing-up: want error, warning or off`,
	} {
		r.Write("../.shiplock.yaml", text)
		_, err := check.Run(t.Context(), check.Options{Source: r.Migrations(), Base: "main"})
		var invalid *check.SettingsError
		require.ErrorAs(t, err, &invalid, text)
		assert.Contains(t, err.Error(), ".shiplock.yaml")
		assert.Contains(t, err.Error(), problem)
	}
}

func TestRenumber_Collisions_Repaired(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	r := gitrepo.New(t, merged)
	r.Write("0002_b.up.sql", "-- shiplock:min-compatible-version 2\nSELECT 1;\n")
	r.Write("0002_b.down.sql", "SELECT 1;\n")
	r.Write("0003_c.up.sql", "-- shiplock:irreversible\nSELECT 2;\n")
	r.Write("0004_d.up.sql", "-- shiplock:irreversible\nSELECT 3;\n")
	r.Git("add", "migrations/0002_b.up.sql", "migrations/0002_b.down.sql", "migrations/0004_d.up.sql")
	r.Write("0010_e.up.sql", "-- shiplock:irreversible\nSELECT 4;\n")
	require.NotEmpty(t, run(t, r).Findings)

	renames, err := check.Renumber(t.Context(), check.Options{Source: r.Migrations(), Base: "main"}, now)
	require.NoError(t, err)
	assert.Equal(t, []check.Rename{
		{From: "0002_b.up.sql", To: "0004_b.up.sql", Note: "check its -- shiplock:min-compatible-version 2: versions may have changed"},
		{From: "0002_b.down.sql", To: "0004_b.down.sql"},
		{From: "0003_c.up.sql", To: "0005_c.up.sql"},
		{From: "0004_d.up.sql", To: "0006_d.up.sql"},
	}, renames)
	assert.Empty(t, summaries(run(t, r).Findings))
	content, err := os.ReadFile(filepath.Join(r.Migrations(), "0004_b.up.sql"))
	require.NoError(t, err)
	assert.Equal(t, "-- shiplock:min-compatible-version 2\nSELECT 1;\n", string(content))
	assert.Contains(t, r.Git("ls-files"), "migrations/0006_d.up.sql", "git knows the new name")
	assert.NotContains(t, r.Git("ls-files"), "0005_c", "git does not track the file, as before")

	renames, err = check.Renumber(t.Context(), check.Options{Source: r.Migrations(), Base: "main"}, now)
	require.NoError(t, err)
	assert.Empty(t, renames)
}

func TestRenumber_Timestamps_Now(t *testing.T) {
	t.Parallel()
	r := gitrepo.New(t, map[string]string{"20260101000000_a.up.sql": "SELECT 1;"})
	r.Write("20251201000000_b.up.sql", "SELECT 2;")
	renames, err := check.Renumber(t.Context(), check.Options{Source: r.Migrations(), Base: "main"}, time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	require.NoError(t, err)
	assert.Equal(t, []check.Rename{{From: "20251201000000_b.up.sql", To: "20260102030405_b.up.sql"}}, renames)
}

func TestRenumber_NoBase_Refused(t *testing.T) {
	t.Parallel()
	dir := fixture.FileMap(t, map[string]string{"1_a.up.sql": "SELECT 1;"})
	_, err := check.Renumber(t.Context(), check.Options{Source: dir}, time.Now())
	var refused *gitbase.Error
	require.ErrorAs(t, err, &refused)
	assert.Contains(t, refused.Advice, "--base")
}
