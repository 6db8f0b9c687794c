// Package examples tests the examples in its subfolders, as far as they run without their platform.
package examples

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	_ "github.com/shiplock/shiplock/internal/cli" // makes go test's cache depend on the program
	"github.com/shiplock/shiplock/internal/test/gitrepo"
	"github.com/shiplock/shiplock/internal/test/pgtest"
)

// bin is a folder with the migrator, a server that only prints a line, and stubs.
var bin string

func TestMain(m *testing.M) {
	var err error
	if bin, err = os.MkdirTemp("", "examples"); err != nil {
		panic(err)
	}
	if output, err := exec.Command("go", "build", "-o", filepath.Join(bin, "migrator"), "../../cmd/migrator").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "go build: %v\n%s", err, output)
		os.Exit(1)
	}
	for name, script := range map[string]string{"server": "echo the server, process $$", "ssh": `shift; exec sh -c "$*"`, "sudo": `echo "sudo $*"`} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
			panic(err)
		}
	}
	pgtest.Main(m, bin)
}

// A fixture is a folder with migrations, and a database, for an example's commands.
type fixture struct {
	*pgtest.Database
	t   *testing.T
	dir string
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	s := &fixture{Database: pgtest.New(t), t: t, dir: t.TempDir()}
	s.write("migrations/0001_guests.up.sql", "CREATE TABLE guests (email text)")
	s.write("migrations/0001_guests.down.sql", "DROP TABLE guests")
	s.write("environment", "DATABASE_URL='"+s.URL()+"'\n")
	return s
}

func (s *fixture) write(name, text string) {
	s.t.Helper()
	path := filepath.Join(s.dir, name)
	require.NoError(s.t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(s.t, os.WriteFile(path, []byte(text), 0o600))
}

// withLocalPaths replaces a command's paths with the fixture's.
func (s *fixture) withLocalPaths(command string) string {
	return strings.NewReplacer("/usr/local/bin/migrator", filepath.Join(bin, "migrator"), "/srv/booking/migrations", filepath.Join(s.dir, "migrations"),
		"/etc/booking/environment", filepath.Join(s.dir, "environment")).Replace(command)
}

// run runs a command line with bash and returns its exit code and output.
func (s *fixture) run(command string, env ...string) (int, string) {
	s.t.Helper()
	cmd := exec.Command("bash", "-euo", "pipefail", "-c", s.withLocalPaths(command))
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), append([]string{"PATH=" + bin + ":" + os.Getenv("PATH")}, env...)...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		s.t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String()
}

// checkMigrate runs a command twice, and once with a migration that fails.
func (s *fixture) checkMigrate(command string, env ...string) {
	s.t.Helper()
	env = append(env, "DATABASE_URL="+s.URL())
	for range 2 {
		code, output := s.run(command, env...)
		require.Zero(s.t, code, output)
		require.Equal(s.t, "guests", s.Value(s.t, "SELECT to_regclass('guests')"))
	}
	s.write("migrations/0002_fails.up.sql", "SELECT nope")
	code, output := s.run(command, env...)
	assert.Equal(s.t, 6, code, output)
	assert.Contains(s.t, output, "0002_fails.up.sql")
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(text)
}

func parse(t *testing.T, path string, into any) {
	t.Helper()
	require.NoError(t, yaml.Unmarshal([]byte(read(t, path)), into), path)
}

// after returns the text that follows a key at the start of a line.
func after(t *testing.T, text, key string) string {
	t.Helper()
	m := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(key) + `\s*(.+)$`).FindStringSubmatch(text)
	require.NotNil(t, m, key)
	return m[1]
}

func TestSystemd_Units_Migrate(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	var units []string
	for _, name := range []string{"booking.service", "booking-migrate.service"} {
		unit := s.withLocalPaths(read(t, "systemd/"+name))
		s.write(name, strings.NewReplacer("/srv/booking/server", filepath.Join(bin, "server"), "User=booking\n", "").Replace(unit))
		units = append(units, filepath.Join(s.dir, name))
	}
	output, err := exec.Command("systemd-analyze", append([]string{"verify", "--man=no"}, units...)...).CombinedOutput()
	require.NoError(t, err, "run hack/setup.sh tools: %s", output)
	assert.Empty(t, string(output))
	s.checkMigrate(after(t, read(t, "systemd/booking.service"), "ExecStartPre="))
	newFixture(t).checkMigrate(after(t, read(t, "systemd/booking-migrate.service"), "ExecStart="))
}

func TestCron_Job_MigratesSilently(t *testing.T) {
	t.Parallel()
	text := read(t, "cron/booking")
	m := regexp.MustCompile(`(?m)^(?:[\d*/,-]+ ){5}booking (/.+)$`).FindStringSubmatch(text)
	require.NotNil(t, m, "five fields, the user and a command")
	assert.NotContains(t, m[1], "%", "cron interprets it as a line break")
	s := newFixture(t)
	code, output := s.run(m[1], "DATABASE_URL="+s.URL())
	assert.Zero(t, code)
	assert.Empty(t, output, "cron mails all output")
	s.checkMigrate(m[1])
}

func TestProcfile_Release_Migrates(t *testing.T) {
	t.Parallel()
	newFixture(t).checkMigrate(after(t, read(t, "procfile/Procfile"), "release:"))
}

func TestSSH_Failure_KeepsOldVersion(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	s.write("deploy.sh", s.withLocalPaths(read(t, "ssh/deploy.sh")))
	code, output := s.run("bash deploy.sh booking-host")
	assert.Zero(t, code, output)
	assert.Contains(t, output, "sudo systemctl restart booking")
	s.write("migrations/0002_fails.up.sql", "SELECT nope")
	code, output = s.run("bash deploy.sh booking-host")
	assert.Equal(t, 6, code)
	assert.NotContains(t, output, "sudo", "the old version keeps running")
}

func TestAnsible_Task_Migrates(t *testing.T) {
	t.Parallel()
	var plays []struct {
		Tasks []struct {
			Command struct{ Cmd string } `json:"ansible.builtin.command"`
		}
	}
	parse(t, "ansible/migrate.yaml", &plays)
	newFixture(t).checkMigrate(plays[0].Tasks[0].Command.Cmd)
}

// clone makes the fixture's directory a shallow clone of a repository whose branch main took version
// 2, and adds an own migration with that version.
func (s *fixture) clone() {
	s.t.Helper()
	origin := gitrepo.New(s.t, map[string]string{"0001_guests.up.sql": "CREATE TABLE guests (email text);", "0001_guests.down.sql": "DROP TABLE guests;"})
	origin.Commit("the branch", "--allow-empty")
	origin.Git("checkout", "-q", "main")
	origin.Write("0002_rooms.up.sql", "CREATE TABLE rooms (id int);")
	origin.Commit("base moves ahead")
	require.NoError(s.t, os.RemoveAll(filepath.Join(s.dir, "migrations")))
	work := gitrepo.At(s.t, s.dir)
	work.Git("init", "-q", "-b", "feature")
	work.Git("remote", "add", "origin", "file://"+origin.Dir)
	work.Git("fetch", "-q", "--depth=1", "origin", "feature")
	work.Git("reset", "-q", "--hard", "FETCH_HEAD")
	work.Write("0002_bills.up.sql", "-- shiplock:irreversible\nCREATE TABLE bills (id int);")
}

func TestGitHubAction_Check_AnnotatesFindings(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	s.clone()
	script, env := s.actionSteps("github-actions/check.yaml", "check", map[string]string{"github.base_ref": "main"})
	code, output := s.run(script, env...)
	assert.Equal(t, 5, code, output)
	assert.Contains(t, output, "::error file=migrations/0002_bills.up.sql,line=1,title=0002_bills.up.sql%3A duplicate-version::version 2 is taken by 0002_rooms.up.sql in origin/main")
	require.NoError(t, os.Rename(filepath.Join(s.dir, "migrations/0002_bills.up.sql"), filepath.Join(s.dir, "migrations/0003_bills.up.sql")))
	code, output = s.run(script, env...)
	assert.Zero(t, code, output)
	assert.NotContains(t, output, "::error")
}

func TestGitLab_Check_WritesCodeQuality(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	s.clone()
	var file struct{ Check struct{ Script []string } }
	parse(t, "gitlab-ci/.gitlab-ci.yml", &file)
	code, output := s.run(strings.Join(file.Check.Script, "\n"), "CI_MERGE_REQUEST_TARGET_BRANCH_NAME=main")
	assert.Equal(t, 5, code, output)
	assert.Contains(t, output, "migrations/0002_bills.up.sql:1: error: version 2 is taken")
	assert.Contains(t, read(t, filepath.Join(s.dir, "gl-code-quality-report.json")), `"check_name": "duplicate-version"`)
}

// TestPreCommit_Hook_Checks runs the hook's command; pre-commit itself is not run.
func TestPreCommit_Hook_Checks(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	s.clone()
	gitrepo.At(t, s.dir).Git("fetch", "-q", "--depth=1", "origin", "+main:refs/remotes/origin/main")
	var hooks []struct{ ID, Entry, Language string }
	parse(t, "../../.pre-commit-hooks.yaml", &hooks)
	require.Len(t, hooks, 1)
	code, output := s.run(hooks[0].Entry + " --source=./migrations --base=origin/main")
	assert.Equal(t, 5, code, output)
	assert.Contains(t, output, "[duplicate-version]")
}

func TestGitLab_Job_Migrates(t *testing.T) {
	t.Parallel()
	var file struct{ Migrate struct{ Script []string } }
	parse(t, "gitlab-ci/.gitlab-ci.yml", &file)
	newFixture(t).checkMigrate(strings.Join(file.Migrate.Script, "\n"))
}

func TestCompose_Service_Migrates(t *testing.T) {
	t.Parallel()
	var file struct {
		Services map[string]struct {
			Command   []string
			DependsOn any `json:"depends_on"`
		}
	}
	parse(t, "compose/compose.yaml", &file)
	assert.Equal(t, map[string]any{"migrate": map[string]any{"condition": "service_completed_successfully"}}, file.Services["booking"].DependsOn)
	command := strings.Replace(strings.Join(file.Services["migrate"].Command, " "), " /migrations", " ./migrations", 1)
	newFixture(t).checkMigrate("migrator " + command)
}

// TestStartup_EntryPoint_MigratesAndStarts runs the image's entry point and command, with its variables.
func TestStartup_EntryPoint_MigratesAndStarts(t *testing.T) {
	t.Parallel()
	text := read(t, "startup/Containerfile")
	words := func(key string) string {
		var list []string
		require.NoError(t, yaml.Unmarshal([]byte(after(t, text, key)), &list))
		return strings.Join(list, " ")
	}
	s := newFixture(t)
	command := "exec " + words("ENTRYPOINT") + " " + words("CMD")
	env := append(strings.Fields(after(t, text, "ENV")), "SHIPLOCK_SOURCE="+filepath.Join(s.dir, "migrations"))
	code, output := s.run(command, append(env, "DATABASE_URL="+s.URL())...)
	assert.Zero(t, code, output)
	assert.Contains(t, output, "the server, process")
	s.checkMigrate(command, env...)
}

// actionSteps returns the scripts of the action's steps and their environment, as in the runner. with overrides
// the inputs of the workflow.
func (s *fixture) actionSteps(workflow, job string, with map[string]string) (script string, env []string) {
	s.t.Helper()
	var action struct {
		Inputs map[string]struct{ Default string }
		Runs   struct {
			Using string
			Steps []struct {
				Uses, Run string
				Env       map[string]string
			}
		}
	}
	parse(s.t, "../../action.yml", &action)
	var file struct {
		Jobs map[string]struct {
			Steps []struct{ With map[string]string }
		}
	}
	parse(s.t, workflow, &file)
	inputs := map[string]string{"github.action_ref": "v0.1.0", "github.base_ref": ""}
	for name, in := range action.Inputs {
		inputs[name] = in.Default
	}
	for _, inputsOf := range []map[string]string{file.Jobs[job].Steps[1].With, with} {
		for name, value := range inputsOf {
			require.Contains(s.t, inputs, name)
			inputs[name] = value
		}
	}
	root, err := filepath.Abs("../..")
	require.NoError(s.t, err)
	value := regexp.MustCompile(`\$\{\{ (?:inputs\.)?([a-z._-]+) \}\}`)
	var scripts []string
	env = []string{"GITHUB_ACTION_PATH=" + root, "RUNNER_TEMP=" + s.dir, "GITHUB_ACTIONS=true", "GITHUB_WORKSPACE=" + s.dir, "GITHUB_STEP_SUMMARY=" + filepath.Join(s.dir, "summary.md")}
	require.Equal(s.t, "composite", action.Runs.Using)
	for _, step := range action.Runs.Steps[1:] {
		assert.NotContains(s.t, step.Run, "${{", "an input in a script would be executed")
		scripts = append(scripts, step.Run)
		for name, text := range step.Env {
			env = append(env, name+"="+value.ReplaceAllStringFunc(text, func(in string) string { return inputs[value.FindStringSubmatch(in)[1]] }))
		}
	}
	return strings.Join(scripts, "\n"), env
}

// TestGitHubAction_Deploy_Migrates runs the action's steps.
func TestGitHubAction_Deploy_Migrates(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	script, env := s.actionSteps("github-actions/deploy.yaml", "deploy", map[string]string{"database-url": s.URL()})
	summary := filepath.Join(s.dir, "summary.md")
	s.checkMigrate(script, env...)
	assert.Equal(t, 1, strings.Count(read(t, summary), "### Database migrations: "), "a success is not reported by default")
	_, output := s.run(script, append(env, "DATABASE_URL="+s.URL())...)
	assert.Regexp(t, `(?m)^::error file=migrations/0002_fails\.up\.sql,line=1,col=8,title=migration 0002_fails\.up\.sql failed and was rolled back; [^:]+::.*SQLSTATE 42703`, output)
}

// TestGitHubAction_Rehearse_AnnotatesFindings checks the annotation of each finding, and the summary.
func TestGitHubAction_Rehearse_AnnotatesFindings(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	script, env := s.actionSteps("github-actions/rehearse.yaml", "rehearse", map[string]string{"scratch-url": s.URL()})
	code, output := s.run(script, env...)
	require.Zero(t, code, output)
	assert.NotContains(t, output, "::error")
	s.write("migrations/0002_rooms.up.sql", "CREATE TABLE rooms (a int);\nCREATE INDEX i ON guests (email);")
	s.write("migrations/0002_rooms.down.sql", "DROP TABLE rooms;")
	s.write("migrations/0003_gone.up.sql", "SELECT 3")
	code, output = s.run(script, env...)
	assert.Equal(t, 6, code, output)
	var annotations []string
	for line := range strings.Lines(output) {
		if strings.HasPrefix(line, "::") {
			annotations = append(annotations, line)
		}
	}
	require.Len(t, annotations, 4, output)
	assert.Regexp(t, `^::notice file=migrations/0001_guests\.down\.sql,line=1,title=0001_guests\.down\.sql%3A data loss::the down script drops or deletes`, annotations[0])
	assert.Regexp(t, `^::notice file=migrations/0002_rooms\.down\.sql,line=1,`, annotations[1])
	assert.Regexp(t, `^::error file=migrations/0002_rooms\.down\.sql,line=1,title=0002_rooms\.down\.sql%3A schema not restored::.*%0A    index public\.i%0A      before  did not exist%0A      after   CREATE INDEX i`, annotations[2])
	assert.Regexp(t, `^::error file=migrations/0003_gone\.up\.sql,line=1,title=0003_gone\.up\.sql%3A missing down file::0003_gone\.down\.sql does not exist`, annotations[3])
	summary := read(t, filepath.Join(s.dir, "summary.md"))
	assert.Contains(t, summary, "### Rehearsal&#58; 3 migrations rehearsed, 2 faults\n\n| found | | at | |\n")
	assert.Contains(t, summary, "| schema not restored | **error** | 0002&#95;rooms.down.sql&#58;1 | the down script does not restore the schema that existed before the up script |\n")
	assert.Equal(t, 4, strings.Count(summary, "| note |")+strings.Count(summary, "| **error** |")-strings.Count(strings.SplitN(summary, "### Rehearsal&#58; 3", 2)[0], "| note |"))
}

// TestGitHubAction_Description_ListsCommands checks that the action's description lists the commands for CI.
func TestGitHubAction_Description_ListsCommands(t *testing.T) {
	t.Parallel()
	var action struct {
		Inputs map[string]struct{ Description string }
	}
	parse(t, "../../action.yml", &action)
	_, output := newFixture(t).run("migrator nonsense || true")
	m := regexp.MustCompile(`available commands: ([a-z, ]+), create, install, version`).FindStringSubmatch(output)
	require.NotNil(t, m, output)
	assert.Equal(t, "Command ("+m[1]+")", action.Inputs["command"].Description)
}
