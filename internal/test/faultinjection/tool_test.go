package faultinjection

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A tool is a migration tool's command line.
type tool struct {
	name, version, path string
	// write returns a migration in the tool's format.
	write func(*Migration) (file, content string)
	// args and env return the arguments and the environment that apply the migrations of a folder.
	args func(s *Set, dir, url string) []string
	env  func(url string) []string
	// historyChecks returns the checks of the tool's own tables.
	historyChecks func(*Set) []expectation
	// tables are the names of the tool's own tables.
	tables []string
	// codes are the allowed exit codes after a fault; nil allows all.
	codes map[Kind][]int
	// terminationLimit is the documented maximum time from SIGTERM to the end; 0 if there is none.
	terminationLimit time.Duration
	// finalCodes are the exit codes after which a retry does not help.
	finalCodes []int
}

// An expectation is a query of one text and its expected result.
type expectation struct{ query, want string }

func tools(t *testing.T) []*tool {
	t.Helper()
	var found []*tool
	for name := range strings.SplitSeq(*toolNames, ",") {
		switch name {
		case "shiplock":
			found = append(found, shiplock(t))
		case "golang-migrate":
			found = append(found, golangMigrate(t))
		case "goose":
			found = append(found, goose(t))
		default:
			require.Fail(t, "-tools: must be shiplock, golang-migrate or goose", name)
		}
	}
	return found
}

// Exit codes of Shiplock.
const (
	codeDatabase   = 3
	codeSignal     = 128
	codeKilled     = codeSignal + 9
	codeTerminated = codeSignal + 15
)

func shiplock(t *testing.T) *tool {
	return &tool{
		name: "shiplock", version: strings.Fields(commandOutput(t, binary, "version"))[1], path: binary,
		tables: []string{"schema_migrations", "schema_migrations_history"},
		write:  upFile, historyChecks: func(s *Set) []expectation { return append(versionTable(s), shiplockHistory(s)...) },
		args: func(_ *Set, dir, _ string) []string { return []string{"up", "--source", dir} },
		env:  func(url string) []string { return []string{"DATABASE_URL=" + url} },
		codes: map[Kind][]int{
			SIGKILL: {codeKilled}, SIGTERM: {codeTerminated},
			Terminate: {codeDatabase}, Reset: {codeDatabase}, DropRequests: {codeDatabase}, DropAnswers: {codeDatabase},
			Restart: {codeDatabase}, Crash: {codeDatabase},
		},
		terminationLimit: 5 * time.Second,
		finalCodes:       []int{1, 2, 5, 6, 7},
	}
}

func golangMigrate(t *testing.T) *tool {
	path := toolPath(t, "golang-migrate")
	return &tool{
		name: "golang-migrate", version: commandOutput(t, path, "-version"), path: path,
		tables: []string{"schema_migrations"},
		write:  upFile, historyChecks: versionTable,
		args: func(s *Set, dir, url string) []string {
			if s.mixes() {
				url += "&x-multi-statement=true" // required for such a file
			}
			return []string{"-path", dir, "-database", url, "up"}
		},
		env: func(string) []string { return nil },
	}
}

func goose(t *testing.T) *tool {
	path := toolPath(t, "goose")
	return &tool{
		name: "goose", version: strings.TrimPrefix(commandOutput(t, path, "-version"), "goose version: "), path: path,
		write: func(m *Migration) (string, string) {
			head := "-- +goose Up\n"
			if !m.Plain {
				head = "-- +goose NO TRANSACTION\n" + head
			}
			return fmt.Sprintf("%05d_x.sql", m.Version), head + body(m)
		},
		tables: []string{"goose_db_version"},
		historyChecks: func(s *Set) []expectation {
			var want []string
			for _, m := range s.Migrations {
				want = append(want, fmt.Sprint(m.Version))
			}
			return []expectation{{`SELECT string_agg(version_id::text, ' ' ORDER BY version_id, id) FROM goose_db_version WHERE is_applied AND version_id > 0`, strings.Join(want, " ")}}
		},
		args: func(_ *Set, dir, url string) []string {
			return []string{"-dir", dir, "-env", "none", "postgres", url, "up"}
		},
		env: func(string) []string { return nil },
	}
}

func upFile(m *Migration) (string, string) {
	return fmt.Sprintf("%05d_x.up.sql", m.Version), body(m)
}

func body(m *Migration) string { return strings.Join(m.Statements, ";\n") + ";\n" }

// folder writes a set's files and returns their folder.
func (tl *tool) folder(t *testing.T, s *Set) string {
	t.Helper()
	dir := t.TempDir()
	for i := range s.Migrations {
		name, content := tl.write(&s.Migrations[i])
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
	}
	return dir
}

// allowsExitCode reports whether the tool may end with a code after a fault.
func (tl *tool) allowsExitCode(k Kind, code int) bool {
	return code == 0 || tl.codes == nil || slices.Contains(tl.codes[k], code)
}

func toolPath(t *testing.T, name string) string {
	t.Helper()
	return commandOutput(t, filepath.Join(root, "hack", "tools", "install.sh"), name)
}

// commandOutput returns the last line that a command prints to either stream.
func commandOutput(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	require.NoError(t, err, "%s: %s", name, out)
	lines := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
	return string(lines[len(lines)-1])
}
