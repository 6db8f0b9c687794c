package faultinjection

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/test/fixture"
	"github.com/shiplock/shiplock/internal/test/program"
)

// A tool is a migration tool and its expected behavior.
type tool struct {
	program.MigrationTool
	// args returns the arguments that apply the migrations of a folder.
	args func(s *Set, dir, url string) []string
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

func newTool(m program.MigrationTool) *tool {
	return &tool{MigrationTool: m, args: func(_ *Set, dir, url string) []string { return m.Up(dir, url) }}
}

func shiplock(t *testing.T) *tool {
	tl := newTool(program.Shiplock(t, binary))
	tl.tables = []string{"schema_migrations", "schema_migrations_history"}
	tl.historyChecks = func(s *Set) []expectation { return append(versionTable(s), shiplockHistory(s)...) }
	tl.codes = map[Kind][]int{
		SIGKILL: {codeKilled}, SIGTERM: {codeTerminated},
		Terminate: {codeDatabase}, Reset: {codeDatabase}, DropRequests: {codeDatabase}, DropAnswers: {codeDatabase},
		Restart: {codeDatabase}, Crash: {codeDatabase},
	}
	tl.terminationLimit = 5 * time.Second
	tl.finalCodes = []int{1, 2, 5, 6, 7}
	return tl
}

func golangMigrate(t *testing.T) *tool {
	tl := newTool(program.GolangMigrate(t))
	tl.tables, tl.historyChecks = []string{"schema_migrations"}, versionTable
	tl.args = func(s *Set, dir, url string) []string {
		if s.mixes() {
			url += "&x-multi-statement=true" // required for such a file
		}
		return tl.Up(dir, url)
	}
	return tl
}

func goose(t *testing.T) *tool {
	tl := newTool(program.Goose(t))
	tl.tables = []string{"goose_db_version"}
	tl.historyChecks = func(s *Set) []expectation {
		var want []string
		for _, m := range s.Migrations {
			want = append(want, fmt.Sprint(m.Version))
		}
		return []expectation{{`SELECT string_agg(version_id::text, ' ' ORDER BY version_id, id) FROM goose_db_version WHERE is_applied AND version_id > 0`, strings.Join(want, " ")}}
	}
	return tl
}

func body(m *Migration) string { return strings.Join(m.Statements, ";\n") + ";\n" }

// folder writes a set's files and returns their folder.
func (tl *tool) folder(t *testing.T, s *Set) string {
	t.Helper()
	files := map[string]string{}
	for i := range s.Migrations {
		m := &s.Migrations[i]
		maps.Copy(files, tl.Files(program.Migration{Version: m.Version, Up: body(m), NoTransaction: !m.Plain}))
	}
	return fixture.FileMap(t, files)
}

// allowsExitCode reports whether the tool may end with a code after a fault.
func (tl *tool) allowsExitCode(k Kind, code int) bool {
	return code == 0 || tl.codes == nil || slices.Contains(tl.codes[k], code)
}
