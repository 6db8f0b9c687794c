package faultinjection

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/test/fixture"
	"github.com/shiplock/shiplock/internal/test/program"
)

// A file is a migration of the comparison.
type file struct {
	version          int
	up, down         string
	nonTransactional bool // cannot run in one transaction
}

// A comparedTool is a migration tool with its file format and its commands.
type comparedTool struct {
	name, version string
	write         func(f file) (name, text string)
	downFile      func(f file) (name, text string) // the down file, if it is separate
	up, down      func(dir, url string) []string
	isShiplock    bool
}

func comparedTools(t *testing.T) []comparedTool {
	t.Helper()
	upPair := func(f file) (string, string) { return fmt.Sprintf("%d_m.up.sql", f.version), f.up }
	downPair := func(f file) (string, string) { return fmt.Sprintf("%d_m.down.sql", f.version), f.down }
	migrate, goose, tern := program.GolangMigrate(t), program.Goose(t), program.Tern(t)
	return []comparedTool{
		{name: "Shiplock", version: program.Shiplock(t, binary).Version, isShiplock: true, write: upPair, downFile: downPair,
			up: func(dir, url string) []string { return []string{binary, "up", "--source", dir, "--database-url", url} },
			down: func(dir, url string) []string {
				return []string{binary, "down", "--to", "0", "--source", dir, "--database-url", url}
			}},
		{name: "golang-migrate", version: migrate.Version, write: upPair, downFile: downPair,
			up: func(dir, url string) []string {
				return append([]string{migrate.Path}, migrate.Up(dir, url+"&x-multi-statement=true")...)
			},
			down: func(dir, url string) []string {
				return []string{migrate.Path, "-path", dir, "-database", url, "down", "-all"}
			}},
		{name: "goose", version: goose.Version,
			write: func(f file) (string, string) {
				head := ""
				if f.nonTransactional {
					head = "-- +goose NO TRANSACTION\n"
				}
				return fmt.Sprintf("%05d_m.sql", f.version), head + "-- +goose Up\n" + f.up + "\n-- +goose Down\n" + f.down + "\n"
			},
			up: func(dir, url string) []string {
				return append([]string{goose.Path}, goose.Up(dir, url)...)
			},
			down: func(dir, url string) []string {
				return []string{goose.Path, "-dir", dir, "-env", "none", "postgres", url, "down-to", "0"}
			}},
		{name: "tern", version: tern.Version,
			write: func(f file) (string, string) {
				head := ""
				if f.nonTransactional {
					head = "---- tern: disable-tx ----\n"
				}
				text := head + f.up
				if f.down != "" {
					text += "\n---- create above / drop below ----\n" + f.down
				}
				return fmt.Sprintf("%03d_m.sql", f.version), text + "\n"
			},
			up: func(dir, url string) []string {
				return append([]string{tern.Path}, tern.Up(dir, url)...)
			},
			down: func(dir, url string) []string {
				return []string{tern.Path, "migrate", "--migrations", dir, "--conn-string", url, "-d", "0"}
			}},
	}
}

// A comparison is an input and its result with each tool.
type comparison struct {
	input string // as docs/background/comparison.md has it
	files []file
	// steps are the steps after the first up: "up", "down", or SQL of the application.
	steps []string
	// correctedFiles replace files before the last step.
	correctedFiles []file
	outcome        string            // query that describes the result
	wantByTool     map[string]string // by tool: exit codes and outcome
}

func (tool comparedTool) run(t *testing.T, row comparison) string {
	t.Helper()
	p := newDatabase(t, nil)
	dir := t.TempDir()
	put := func(files []file) {
		for _, f := range files {
			for _, form := range []func(file) (string, string){tool.write, tool.downFile} {
				if form != nil {
					name, text := form(f)
					require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
				}
			}
		}
	}
	put(row.files)
	var codes []string
	run := func(args []string) {
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Stdin = strings.NewReader("y\n")
		out, err := cmd.CombinedOutput()
		var failed *exec.ExitError
		if !errors.As(err, &failed) {
			require.NoError(t, err)
		}
		t.Logf("%s: %v\n%s", tool.name, cmd.ProcessState, bytes.TrimSpace(out))
		codes = append(codes, fmt.Sprint(cmd.ProcessState.ExitCode()))
	}
	run(tool.up(dir, p.url))
	for i, step := range row.steps {
		if i == len(row.steps)-1 {
			put(row.correctedFiles)
		}
		switch step {
		case "up":
			run(tool.up(dir, p.url))
		case "down":
			run(tool.down(dir, p.url))
		default:
			_, err := p.admin.Exec(strings.ReplaceAll(step, "OWNER", fmt.Sprintf("%q", p.owner)))
			require.NoError(t, err, step)
		}
	}
	outcome, err := p.value(row.outcome)
	require.NoError(t, err)
	return "exit " + strings.Join(codes, ", ") + ": " + outcome
}

var comparisons = []comparison{
	{
		input: "`1`: `CREATE SCHEMA s; CREATE TABLE t (id int)`, `2`: `ALTER TABLE t SET SCHEMA s`, with downs that reverse them; the table gets a row; all down",
		files: []file{{version: 1, up: "CREATE SCHEMA s; CREATE TABLE t (id int);", down: "DROP TABLE t; DROP SCHEMA s;"},
			{version: 2, up: "ALTER TABLE t SET SCHEMA s;", down: "ALTER TABLE s.t SET SCHEMA public;"}},
		steps: []string{"INSERT INTO s.t VALUES (1)", "down"}, outcome: "SELECT CASE WHEN to_regclass('s.t') IS NULL AND to_regclass('t') IS NULL THEN 'the row is lost' ELSE 'the row is kept' END",
		wantByTool: map[string]string{"Shiplock": "exit 0, 5: the row is kept", "golang-migrate": "exit 0, 0: the row is lost", "goose": "exit 0, 0: the row is lost", "tern": "exit 0, 0: the row is lost"},
	},
	{
		input:      "`1`: `CREATE TABLE users (id int)`, `2`: `CREATE TEMP TABLE users AS SELECT 1 AS id`, `3`: `ALTER TABLE users ADD COLUMN phone text`",
		files:      []file{{version: 1, up: "CREATE TABLE users (id int);"}, {version: 2, up: "CREATE TEMP TABLE users AS SELECT 1 AS id;"}, {version: 3, up: "ALTER TABLE users ADD COLUMN phone text;"}},
		outcome:    "SELECT CASE WHEN count(*) = 0 THEN 'users has no phone' ELSE 'users has the column' END FROM pg_attribute WHERE attrelid = 'public.users'::regclass AND attname = 'phone'",
		wantByTool: map[string]string{"Shiplock": "exit 0: users has the column", "golang-migrate": "exit 0: users has no phone", "goose": "exit 0: users has no phone", "tern": "exit 0: users has no phone"},
	},
	{
		input: "`2`: `SET search_path = appSchema, public; CREATE INDEX CONCURRENTLY i ON a (n); CREATE UNIQUE INDEX CONCURRENTLY u ON a (n); CREATE TABLE bills (id int)` fails on duplicate rows; they are deleted; up again",
		files: []file{{version: 1, up: "CREATE SCHEMA appSchema; CREATE TABLE appSchema.a (n int); INSERT INTO appSchema.a VALUES (1), (1);"},
			{version: 2, nonTransactional: true, up: "SET search_path = appSchema, public;\nCREATE INDEX CONCURRENTLY i ON a (n);\nCREATE UNIQUE INDEX CONCURRENTLY u ON a (n);\nCREATE TABLE bills (id int);"}},
		steps: []string{"DELETE FROM appSchema.a", "up"},
		outcome: `SELECT concat_ws(', ', CASE WHEN to_regclass('appSchema.bills') IS NOT NULL THEN 'bills is in appSchema' WHEN to_regclass('public.bills') IS NOT NULL THEN 'bills is in public' ELSE 'bills does not exist' END,
			(SELECT CASE WHEN indisvalid THEN 'u is valid' ELSE 'u is invalid' END FROM pg_index WHERE indexrelid = to_regclass('appSchema.u')))`,
		wantByTool: map[string]string{"Shiplock": "exit 7, 0: bills is in appSchema, u is valid", "golang-migrate": "exit 1, 1: bills does not exist, u is invalid",
			"goose": "exit 1, 1: bills does not exist, u is invalid", "tern": "exit 1, 1: bills does not exist, u is invalid"},
	},
	{
		input: "`2`: `INSERT INTO log VALUES (1); CREATE UNIQUE INDEX CONCURRENTLY u ON a (n)` fails on duplicate rows; the index is removed from the file; up again",
		files: []file{{version: 1, up: "CREATE TABLE log (n int); CREATE TABLE a (n int); INSERT INTO a VALUES (1), (1);"},
			{version: 2, nonTransactional: true, up: "INSERT INTO log VALUES (1);\nCREATE UNIQUE INDEX CONCURRENTLY u ON a (n);"}},
		correctedFiles: []file{{version: 2, up: "INSERT INTO log VALUES (1);"}},
		steps:          []string{"up"},
		outcome:        "SELECT concat('log has ', count(*), ' row(s), ', CASE WHEN to_regclass('u') IS NULL THEN 'no invalid index' ELSE 'the invalid index stays' END) FROM log",
		wantByTool: map[string]string{"Shiplock": "exit 7, 0: log has 1 row(s), no invalid index", "golang-migrate": "exit 1, 1: log has 1 row(s), the invalid index stays",
			"goose": "exit 1, 0: log has 2 row(s), the invalid index stays", "tern": "exit 1, 0: log has 2 row(s), the invalid index stays"},
	},
	{
		input: "`1`: `CREATE TABLE IF NOT EXISTS public.a (n int)`, `2`: `INSERT INTO public.a VALUES (1)`; the version table is emptied; up again",
		files: []file{{version: 1, up: "CREATE TABLE IF NOT EXISTS public.a (n int);"}, {version: 2, up: "INSERT INTO public.a VALUES (1);"}},
		steps: []string{`DO $$ BEGIN
			IF to_regclass('schema_migrations') IS NOT NULL THEN DELETE FROM schema_migrations; END IF;
			IF to_regclass('goose_db_version') IS NOT NULL THEN DELETE FROM goose_db_version; END IF;
			IF to_regclass('schema_version') IS NOT NULL THEN DELETE FROM schema_version; END IF; END $$`, "up"},
		outcome:    "SELECT concat('a has ', count(*), ' row(s)') FROM public.a",
		wantByTool: map[string]string{"Shiplock": "exit 0, 5: a has 1 row(s)", "golang-migrate": "exit 0, 0: a has 2 row(s)", "goose": "exit 0, 1: a has 1 row(s)", "tern": "exit 0, 1: a has 1 row(s)"},
	},
}

// TestComparison_EachTool_MatchesDocument runs each input with each tool and compares the results with the table of
// docs/background/comparison.md.
func TestComparison_EachTool_MatchesDocument(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and runs other tools")
	}
	all := comparedTools(t)
	var table strings.Builder
	table.WriteString("| input |")
	for _, tool := range all {
		version := " " + tool.version
		if tool.isShiplock {
			version = ""
		}
		fmt.Fprintf(&table, " %s%s |", tool.name, version)
	}
	table.WriteString("\n|---" + strings.Repeat("|---", len(all)) + "|\n")
	for _, row := range comparisons {
		fmt.Fprintf(&table, "| %s |", row.input)
		for _, tool := range all {
			got := tool.run(t, row)
			assert.Equal(t, row.wantByTool[tool.name], got, "%s: %s", tool.name, row.input)
			fmt.Fprintf(&table, " %s |", got)
		}
		table.WriteString("\n")
	}
	path := filepath.Join(program.Root, "docs", "background", "comparison.md")
	page, err := os.ReadFile(path)
	require.NoError(t, err)
	head, rest, found := strings.Cut(string(page), "<!-- table -->\n")
	require.True(t, found)
	_, foot, found := strings.Cut(rest, "<!-- end of table -->\n")
	require.True(t, found)
	now := head + "<!-- table -->\n" + table.String() + "<!-- end of table -->\n" + foot
	if fixture.Updating() {
		require.NoError(t, os.WriteFile(path, []byte(now), 0o600))
	}
	assert.True(t, slices.Equal([]byte(now), page) || fixture.Updating(), "docs/background/comparison.md does not match the tools' results; run the test with -update\n%s", table.String())
}
