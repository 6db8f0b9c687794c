package cli_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/cli"
	"github.com/shiplock/shiplock/internal/test/pgtest"
)

// asNonroot is an environment variable that makes the test binary run as the program, as an unprivileged
// user: root can read every file.
const asNonroot = "SHIPLOCK_TEST_AS_NONROOT"

// nonroot is the user ID of the migrator image.
const nonroot = 65532

// runAsNonroot runs the program and exits if asNonroot is set. TestMain calls it.
func runAsNonroot() {
	if os.Getenv(asNonroot) == "" {
		return
	}
	if os.Geteuid() == 0 {
		for _, err := range []error{syscall.Setgroups(nil), syscall.Setgid(nonroot), syscall.Setuid(nonroot)} {
			if err != nil {
				panic(err)
			}
		}
	}
	os.Exit(cli.Program{Stdout: os.Stdout, Stderr: os.Stderr}.Run(context.Background(), os.Args[1:]))
}

// TestUp_UnreadableMigrations_Reported has one row per file or directory.
func TestUp_UnreadableMigrations_Reported(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		golden  string
		code    int
		deny    string
		applied string
	}{
		"up file":             {"unreadable-file", 5, "2_b.up.sql", ""},
		"down file":           {"", 5, "2_b.down.sql", ""},
		"directory":           {"unreadable-directory", 2, ".", ""},
		"unrelated directory": {"", 0, "lost+found", "2"},
		"nothing":             {"", 0, "", "2"},
		"not a directory":     {"source-is-a-file", 2, "", ""},
		"parent directory":    {"", 2, "..", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			top, err := os.MkdirTemp("", "shiplock-unreadable")
			require.NoError(t, err)
			t.Cleanup(func() {
				_ = os.Chmod(top, 0o700)
				_ = os.Chmod(filepath.Join(top, "migrations"), 0o700)
				require.NoError(t, os.RemoveAll(top))
			})
			dir := filepath.Join(top, "migrations")
			require.NoError(t, os.Chmod(top, 0o755))
			require.NoError(t, os.MkdirAll(filepath.Join(dir, "lost+found"), 0o755))
			for file, text := range map[string]string{"1_a.up.sql": "CREATE TABLE a (b int);", "1_a.down.sql": "DROP TABLE a;", "2_b.up.sql": "SELECT 2;", "2_b.down.sql": ""} {
				require.NoError(t, os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644))
			}
			if c.deny != "" {
				require.NoError(t, os.Chmod(filepath.Join(dir, c.deny), 0))
			}
			from := dir
			if name == "not a directory" {
				from = filepath.Join(dir, "1_a.up.sql")
			}
			d := pgtest.New(t)
			self, err := os.Executable()
			require.NoError(t, err)
			cmd := exec.CommandContext(t.Context(), self, "up", "--source", from, "--database-url", d.URL())
			cmd.Env = append(os.Environ(), asNonroot+"=1")
			var stderr strings.Builder
			cmd.Stderr = &stderr
			_ = cmd.Run() // the exit code is checked below
			require.Equal(t, c.code, cmd.ProcessState.ExitCode(), stderr.String())
			if c.golden != "" {
				golden(t, c.golden, strings.ReplaceAll(stderr.String(), dir, "/migrations"))
			}
			if c.deny == "lost+found" {
				assert.Contains(t, stderr.String(), "ignoring unreadable subdirectories")
			}
			if c.applied == "" {
				assert.Empty(t, d.Value(t, "SELECT to_regclass('schema_migrations')"), "no migration must run")
			} else {
				assert.Equal(t, c.applied, d.Value(t, "SELECT version FROM schema_migrations WHERE NOT dirty"))
			}
		})
	}
}
