package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/test/fixture"
	"github.com/shiplock/shiplock/internal/test/program"
	"github.com/shiplock/shiplock/internal/test/terminal"
)

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(text)
}

func eventually(t *testing.T, condition func() bool, what string) {
	t.Helper()
	require.Eventually(t, condition, time.Minute, 10*time.Millisecond, what)
}

func TestPlay_Server_EachPartSucceeds(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	migrator, err := program.BuildMigrator(filepath.Join(dir, "image"))
	require.NoError(t, err)
	out, err := os.Create(filepath.Join(dir, "out"))
	require.NoError(t, err)
	defer out.Close()
	l := &local{migrator: migrator, dir: filepath.Join(dir, "releases"), out: out}
	err = l.play(t.Context(), program.Root)
	text := read(t, out.Name())
	require.NoError(t, err, text)
	_, text, ok := strings.Cut(text, "1. Apply the migrations of version 1\n")
	require.True(t, ok)
	for _, want := range []string{ // in this order
		`msg="schema is up to date" version=5 `,
		"$ kill -KILL ",
		`msg="schema is up to date" version=8 `,
		"index: bookings_guest_idx, valid\n",
		"migration 0009_guest_accounts.up.sql failed and was rolled back; database is at version 8",
		"is duplicated.\n",
		"database: version 8, clean\n",
		"refused: rolling back from version 8 to 5 would cause data loss",
		`msg="rolled back" version=5 `,
		"completed in ",
	} {
		_, text, ok = strings.Cut(text, want)
		require.True(t, ok, "missing or in another order: %s", want)
	}
}

// The driver must be compiled within seconds on a machine without any cache, so it does not link Kubernetes' libraries.
func TestDemo_Imports_AreSmall(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	require.NoError(t, err)
	for _, path := range strings.Fields(string(out)) {
		for _, large := range []string{"k8s.io/", "sigs.k8s.io/", "helm.sh/", "github.com/pganalyze/"} {
			assert.False(t, strings.HasPrefix(path, large), path)
		}
	}
}

func TestDuring_Terminal_ShowsBar(t *testing.T) {
	t.Parallel()
	screen := terminal.New(t, 80, 10)
	s := newStatus(screen.Device)
	failed := errors.New("failed")
	err := s.during("programs", func(report func(string)) error {
		report("hack/node: programs: 12 of 48 packages, 30s left")
		eventually(t, func() bool {
			return strings.Contains(screen.Text(), "[#####...............] 25%  programs: 12 of 48 packages, 30s left")
		}, "the bar")
		return failed
	})
	require.ErrorIs(t, err, failed)
	eventually(t, func() bool { return screen.Text() == "" }, "the bar is removed")
}

func TestDuring_Log_IsNeverSilent(t *testing.T) {
	t.Parallel()
	out, err := os.Create(filepath.Join(t.TempDir(), "log"))
	require.NoError(t, err)
	defer out.Close()
	s := newStatus(out)
	s.interval = 20 * time.Millisecond
	require.NoError(t, s.during("cluster", func(report func(string)) error {
		wait := func(lines string) {
			eventually(t, func() bool { return strings.Count(read(t, out.Name()), lines) > 1 }, lines)
		}
		wait("s  cluster\n") // without any report
		report("node: 1 of 2 images")
		wait("s  node: 1 of 2 images\n")
		return nil
	}))
}

func TestBuild_Package_ReportsCount(t *testing.T) {
	dir := fixture.Files(t, `
-- go.mod --
module example.com/m

go 1.26.0
-- main.go --
package main

import "example.com/m/part"

func main() { part.Do() }
-- part/part.go --
package part

func Do() {}
-- broken/main.go --
package main

func main() { nothing() }
`)
	t.Chdir(dir)
	t.Setenv("GOWORK", "off")
	var lines []string
	report := func(line string) { lines = append(lines, line) }
	require.NoError(t, build(t.Context(), report, "compile it", filepath.Join(dir, "program"), "."))
	assert.FileExists(t, filepath.Join(dir, "program"))
	require.NotEmpty(t, lines)
	assert.Regexp(t, `^compile it: 1 of \d+ packages, \d.*s left$`, lines[0])
	err := build(t.Context(), report, "compile it", filepath.Join(dir, "other"), "./broken")
	require.ErrorContains(t, err, "undefined: nothing")
}
