package bench

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/hack/bench/result"
	"github.com/shiplock/shiplock/internal/test/gitrepo"
	"github.com/shiplock/shiplock/internal/test/program"
)

// A linter is a program that checks migration files, with its settings.
type linter struct {
	name string
	// rules returns the rules that report a file of the corpus.
	rules func(t *testing.T, path string) []string
}

// styleRules are squawk's rules about style and about timeouts, which the migrator sets itself. They
// report a lock or a scan in no file.
var styleRules = []string{
	"require-lock-timeout", "require-statement-timeout", "prefer-robust-stmts", "prefer-bigint-over-int", "prefer-bigint-over-smallint",
	"prefer-identity", "prefer-text-field", "prefer-timestamp-tz", "ban-char-field", "require-enum-value-ordering",
}

// checkedPostgres is the major version of PostgreSQL that the files are checked for.
const checkedPostgres = "18"

// check compares migrator check with squawk: what they report on the corpus of internal/check, and the
// time for many files.
func check(t *testing.T, s scale) result.Figure {
	squawk := squawkPath(t)
	hazards, safe := corpusFiles(t, "hazards"), corpusFiles(t, "safe")
	linters := []linter{
		{"migrator check", checkRules(t)},
		{"squawk, default rules", func(t *testing.T, path string) []string { return squawkRules(t, squawk, nil, path) }},
		{"squawk, without rules for style and timeouts", func(t *testing.T, path string) []string { return squawkRules(t, squawk, styleRules, path) }},
	}
	reports := result.Table{Title: "Files of the corpus with at least one report", Header: []string{"tool", "hazards found", "false alarms"}}
	details := result.Table{Title: "Differences from the corpus", Header: []string{"tool", "hazards not found", "false alarms"}}
	var missed, alarms []string
	for i, l := range linters {
		notFound := slices.DeleteFunc(slices.Clone(hazards), func(path string) bool { return len(l.rules(t, path)) > 0 })
		alarmed := slices.DeleteFunc(slices.Clone(safe), func(path string) bool { return len(l.rules(t, path)) == 0 })
		if i == 0 {
			missed, alarms = notFound, alarmed
		}
		reports.Rows = append(reports.Rows, []string{l.name, ofTotal(len(hazards)-len(notFound), hazards), ofTotal(len(alarmed), safe)})
		details.Rows = append(details.Rows, []string{l.name, fileNames(notFound), fileNames(alarmed)})
	}
	timeGoals, times := checkTimes(t, s, squawk)
	return result.Figure{
		Title: "Checking migration files",
		How: fmt.Sprintf("`migrator check` and squawk, a linter of migrations, on `internal/check/testdata`: %d files that harm a running application, and %d that do not. "+
			"**The corpus is Shiplock's own, and the rules of `migrator check` were tuned on it**: its result shows that no rule has regressed, and not how many hazards of other projects it finds. "+
			"squawk has rules for which the corpus has no file, and its authors may judge a file differently, so the second table names the files. "+
			"Each file is checked alone, as a new file, and a report of any rule counts, even if it has another reason. `migrator check` also reads the merged schema (`schema.sql`) of the corpus, which squawk cannot use: it reads each file without the others. "+
			"Both are set to PostgreSQL %s. A file that an allow comment of Shiplock silences is left out. The rules for style and timeouts are: %s. "+
			"Times: %d up files with an `ALTER TABLE` of a merged table and a `CREATE TABLE` each, of which the last one has a hazard, which both must report. "+
			"`migrator check` also reads as many down files, and the base from git. With all but one file merged, squawk gets only the new file, because it does not know a base. "+
			"squawk is its native program, without the start of Node. The median of %d runs in turn. "+
			"The load average of the machine was %s at the end; above the number of cores, other processes slowed down both programs",
			len(hazards), len(safe), checkedPostgres, "`"+strings.Join(styleRules, "`, `")+"`", s.checked, s.rounds, strings.Fields(readFile(t, "/proc/loadavg"))[0]),
		Tools:  []result.Tool{{Name: "shiplock", Version: tools(t)[0].Version}, {Name: "squawk", Version: strings.Fields(program.LastLine(t, squawk, "--version"))[1]}},
		Tables: []result.Table{reports, details, times},
		Goals: append([]result.Goal{
			goal("every hazard of the corpus found", ofTotal(len(hazards)-len(missed), hazards), len(missed) == 0),
			goal("no false alarm on the corpus", ofTotal(len(alarms), safe), len(alarms) == 0),
		}, timeGoals...),
	}
}

// squawkPath returns the native program of npm's squawk-cli.
func squawkPath(t *testing.T) string {
	t.Helper()
	if platform := runtime.GOOS + "/" + runtime.GOARCH; platform != "linux/amd64" {
		t.Skip("hack/tools/squawk pins the program for linux/amd64, and not for " + platform)
	}
	return filepath.Join(program.HackTool(t, "squawk"), "node_modules", "@squawk-cli", "linux-x64", "bin", "squawk")
}

// corpusFiles returns the paths of a folder of the corpus, without files that an allow comment
// silences.
func corpusFiles(t *testing.T, folder string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(program.Root, "internal", "check", "testdata", folder, "*.sql"))
	require.NoError(t, err)
	paths = slices.DeleteFunc(paths, func(path string) bool { return strings.Contains(readFile(t, path), "-- shiplock:allow") })
	require.NotEmpty(t, paths)
	return paths
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(text)
}

// checkRules returns a function that returns the rules of migrator check that report a file of the
// corpus as the one new migration.
func checkRules(t *testing.T) func(t *testing.T, path string) []string {
	t.Helper()
	schema := readFile(t, filepath.Join(program.Root, "internal", "check", "testdata", "schema.sql"))
	r := gitrepo.New(t, map[string]string{"1_schema.up.sql": schema, "1_schema.down.sql": "SELECT 1;\n"})
	r.Write("2_new.down.sql", "SELECT 1;\n") // a missing one would be reported
	report := filepath.Join(t.TempDir(), "report.json")
	return func(t *testing.T, path string) []string {
		t.Helper()
		r.Write("2_new.up.sql", readFile(t, path))
		output, err := checkCommand(r, "main", report).CombinedOutput()
		if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
			require.Equal(t, 5, exit.ExitCode(), string(output)) // it has found an error
		} else {
			require.NoError(t, err)
		}
		newFiles, rules := readReport(t, report)
		require.Equal(t, 2, newFiles)
		return rules
	}
}

// checkCommand returns the command that checks the new migrations of a repository.
func checkCommand(r *gitrepo.Repository, base, report string) *exec.Cmd {
	return exec.Command(binaries.migrator, "check", "--source", r.Migrations(), "--base", base, "--postgres-version", checkedPostgres, "-o", "json="+report)
}

// readReport returns the number of new files and the rules of a report of migrator check.
func readReport(t *testing.T, path string) (newFiles int, rules []string) {
	t.Helper()
	var report struct {
		NewFiles int `json:"new_files"`
		Findings []struct {
			Rule string `json:"rule"`
		} `json:"findings"`
	}
	require.NoError(t, json.Unmarshal([]byte(readFile(t, path)), &report))
	for _, f := range report.Findings {
		rules = append(rules, f.Rule)
	}
	return report.NewFiles, rules
}

// squawkCommand returns the command that checks files with squawk, without some of its rules.
func squawkCommand(squawk string, without []string, paths ...string) *exec.Cmd {
	args := []string{"--pg-version", checkedPostgres, "--reporter", "json"}
	if len(without) > 0 {
		args = append(args, "--exclude", strings.Join(without, ","))
	}
	return exec.Command(squawk, append(args, paths...)...)
}

func squawkRules(t *testing.T, squawk string, without []string, path string) []string {
	t.Helper()
	output, err := squawkCommand(squawk, without, path).Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		require.Equal(t, 1, exit.ExitCode(), string(exit.Stderr)) // it has reported something
	} else {
		require.NoError(t, err)
	}
	return squawkReport(t, output)
}

// squawkReport returns the rules of a report of squawk.
func squawkReport(t *testing.T, output []byte) (rules []string) {
	t.Helper()
	var report []struct {
		Rule string `json:"rule_name"`
	}
	require.NoError(t, json.Unmarshal(output, &report), string(output))
	for _, r := range report {
		rules = append(rules, r.Rule)
	}
	return rules
}

// checkTimes measures both programs with only new files, and with one new file among merged ones. It
// returns the goals and the table.
func checkTimes(t *testing.T, s scale, squawk string) (goals []result.Goal, table result.Table) {
	r, paths := checkedRepository(t, s.checked)
	own, others := map[string][]sample{}, map[string][]sample{}
	report := filepath.Join(t.TempDir(), "report.json")
	for range s.rounds + 1 { // the first round fills the caches
		for base, of := range map[string][]string{"main": paths, "merged": paths[len(paths)-1:]} {
			sampled := run(t, checkCommand(r, base, report))
			require.Equal(t, 5, sampled.code, sampled.output)
			newFiles, rules := readReport(t, report)
			require.Equal(t, 2*len(of), newFiles)
			require.Equal(t, []string{"index-not-concurrent"}, rules)
			own[base] = append(own[base], sampled)

			sampled = run(t, squawkCommand(squawk, styleRules, of...))
			require.Equal(t, 1, sampled.code, sampled.output)
			require.Equal(t, []string{"require-concurrent-index-creation"}, squawkReport(t, []byte(sampled.output)))
			others[base] = append(others[base], sampled)
		}
	}
	table = result.Table{
		Title:  "In brackets, times that of migrator check",
		Header: []string{"files", "migrator check: wall time", "squawk: wall time", "migrator check: processor time", "squawk: processor time"},
	}
	for _, row := range []struct{ files, base string }{{fmt.Sprintf("%d new files", s.checked), "main"}, {fmt.Sprintf("%d merged files and a new one", s.checked-1), "merged"}} {
		ownSamples, otherSamples := own[row.base][1:], others[row.base][1:]
		wall, cpu := medianWall(ownSamples), medianCPU(ownSamples)
		table.Rows = append(table.Rows, []string{row.files, seconds(wall), cell(medianWall(otherSamples), wall, seconds), seconds(cpu), cell(medianCPU(otherSamples), cpu, seconds)})
		limit := goal("below 1 s for "+row.files, seconds(wall), wall < time.Second)
		if !limit.Met {
			limit.Note = fmt.Sprintf("the processor time is %s: the rest is for the disk, and for other processes of the machine, if its load was high", seconds(cpu))
		}
		goals = append(goals, limit)
	}
	return goals, table
}

// checkedRepository returns a repository with n migrations and the paths of their up files. None is on
// the branch main, and all but the last one, which has a hazard, are on the branch merged.
func checkedRepository(t *testing.T, n int) (r *gitrepo.Repository, paths []string) {
	t.Helper()
	r = gitrepo.New(t, map[string]string{"1_schema.up.sql": "CREATE TABLE orders (id bigint PRIMARY KEY, note text);\n", "1_schema.down.sql": "DROP TABLE orders;\n"})
	for i := range n {
		up := fmt.Sprintf("ALTER TABLE orders ADD COLUMN note_%d text;\nCREATE TABLE bench_%d (id bigint PRIMARY KEY, name text NOT NULL);\n", i, i)
		down := fmt.Sprintf("DROP TABLE bench_%d;\nALTER TABLE orders DROP COLUMN note_%d;\n", i, i)
		if i == n-1 {
			r.Git("checkout", "-q", "-b", "merged")
			r.Commit("all but the last one")
			up, down = "CREATE INDEX orders_note_idx ON orders (note);\n", "DROP INDEX orders_note_idx;\n"
		}
		name := fmt.Sprintf("%05d_x", i+2)
		r.Write(name+".up.sql", up)
		r.Write(name+".down.sql", down)
		paths = append(paths, filepath.Join(r.Migrations(), name+".up.sql"))
	}
	return r, paths
}

func ofTotal(n int, all []string) string { return fmt.Sprintf("%d of %d", n, len(all)) }

// fileNames returns the names of files of the corpus, for a table's cell.
func fileNames(paths []string) string {
	var names []string
	for _, path := range paths {
		names = append(names, strings.TrimSuffix(filepath.Base(path), ".sql"))
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}
