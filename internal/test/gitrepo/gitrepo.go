// Package gitrepo makes git repositories with migration files for tests.
package gitrepo

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/test/fixture"
)

// A Repository is a work tree whose migrations are in the directory "migrations".
type Repository struct {
	t   testing.TB
	Dir string
}

// New returns a repository whose branch main has one commit with these migrations, and checks out
// the branch feature.
func New(t testing.TB, migrations map[string]string) *Repository {
	t.Helper()
	r := &Repository{t, t.TempDir()}
	r.Git("init", "-q", "-b", "main")
	for name, text := range migrations {
		r.Write(name, text)
	}
	r.Write("../README", "an application\n")
	r.Commit("base")
	r.Git("checkout", "-q", "-b", "feature")
	return r
}

// At returns the work tree of an existing repository.
func At(t testing.TB, dir string) *Repository { return &Repository{t, dir} }

// Migrations returns the path of the migrations directory.
func (r *Repository) Migrations() string { return filepath.Join(r.Dir, "migrations") }

// Write writes a migration file.
func (r *Repository) Write(name, text string) {
	r.t.Helper()
	require.NoError(r.t, os.MkdirAll(r.Migrations(), 0o700))
	fixture.Write(r.t, r.Migrations(), name, text)
}

// Remove removes a migration file.
func (r *Repository) Remove(name string) {
	r.t.Helper()
	require.NoError(r.t, os.Remove(filepath.Join(r.Migrations(), name)))
}

// Commit commits all files. options are those of git commit.
func (r *Repository) Commit(message string, options ...string) {
	r.t.Helper()
	r.Git("add", "--all")
	r.Git(append([]string{"commit", "-q", "-m", message}, options...)...)
}

// Git runs git in the repository and returns its output.
func (r *Repository) Git(args ...string) string {
	r.t.Helper()
	cmd := exec.CommandContext(r.t.Context(), "git", args...)
	cmd.Dir = r.Dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_CONFIG_SYSTEM="+os.DevNull,
		"GIT_AUTHOR_NAME=Test", "GIT_AUTHOR_EMAIL=test@example.com", "GIT_AUTHOR_DATE=2026-01-02T03:04:05Z",
		"GIT_COMMITTER_NAME=Test", "GIT_COMMITTER_EMAIL=test@example.com", "GIT_COMMITTER_DATE=2026-01-02T03:04:05Z")
	out, err := cmd.CombinedOutput()
	require.NoError(r.t, err, "git %s: %s", strings.Join(args, " "), out)
	return strings.TrimSpace(string(out))
}
