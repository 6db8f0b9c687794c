// Package examples tests what the folders beside it show, as far as it can be run
// without the platform it is for.
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

	_ "github.com/shiplock/shiplock/internal/cli" // so that go test does not take an old result for that of a changed program
	"github.com/shiplock/shiplock/internal/pgtest"
)

// bin is a folder with the migrator, a server that only says so, and stubs.
var bin string

func TestMain(m *testing.M) {
	var err error
	if bin, err = os.MkdirTemp("", "examples"); err != nil {
		panic(err)
	}
	if said, err := exec.Command("go", "build", "-o", filepath.Join(bin, "migrator"), "../../cmd/migrator").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "go build: %v\n%s", err, said)
		os.Exit(1)
	}
	for name, script := range map[string]string{"server": "echo the server, process $$", "ssh": `shift; exec sh -c "$*"`, "sudo": `echo "sudo $*"`} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
			panic(err)
		}
	}
	pgtest.Main(m, bin)
}

// site is a folder with migrations and a database, where an example's commands are run.
type site struct {
	*pgtest.Database
	t   *testing.T
	dir string
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{Database: pgtest.New(t), t: t, dir: t.TempDir()}
	s.write("migrations/0001_guests.up.sql", "CREATE TABLE guests (email text)")
	s.write("migrations/0001_guests.down.sql", "DROP TABLE guests")
	s.write("environment", "DATABASE_URL='"+s.URL()+"'\n")
	return s
}

func (s *site) write(name, text string) {
	s.t.Helper()
	path := filepath.Join(s.dir, name)
	require.NoError(s.t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(s.t, os.WriteFile(path, []byte(text), 0o600))
}

// local puts this machine's places into a command.
func (s *site) local(command string) string {
	return strings.NewReplacer("/usr/local/bin/migrator", filepath.Join(bin, "migrator"), "/srv/booking/migrations", filepath.Join(s.dir, "migrations"),
		"/etc/booking/environment", filepath.Join(s.dir, "environment")).Replace(command)
}

// run runs a command line by bash, and returns its exit code and all it said.
func (s *site) run(command string, env ...string) (int, string) {
	s.t.Helper()
	cmd := exec.Command("bash", "-euo", "pipefail", "-c", s.local(command))
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

// migrates runs a command twice, and once with a migration that fails.
func (s *site) migrates(command string, env ...string) {
	s.t.Helper()
	env = append(env, "DATABASE_URL="+s.URL())
	for range 2 {
		code, said := s.run(command, env...)
		require.Zero(s.t, code, said)
		require.Equal(s.t, "guests", s.Value(s.t, "SELECT to_regclass('guests')"))
	}
	s.write("migrations/0002_fails.up.sql", "SELECT nope")
	code, said := s.run(command, env...)
	assert.Equal(s.t, 6, code, said)
	assert.Contains(s.t, said, "0002_fails.up.sql")
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

// after returns what follows a key in a line of its own.
func after(t *testing.T, text, key string) string {
	t.Helper()
	m := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(key) + `\s*(.+)$`).FindStringSubmatch(text)
	require.NotNil(t, m, key)
	return m[1]
}

func TestSystemd(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	var units []string
	for _, name := range []string{"booking.service", "booking-migrate.service"} {
		unit := s.local(read(t, "systemd/"+name))
		s.write(name, strings.NewReplacer("/srv/booking/server", filepath.Join(bin, "server"), "User=booking\n", "").Replace(unit))
		units = append(units, filepath.Join(s.dir, name))
	}
	said, err := exec.Command("systemd-analyze", append([]string{"verify", "--man=no"}, units...)...).CombinedOutput()
	require.NoError(t, err, "hack/setup.sh tools names what is missing: %s", said)
	assert.Empty(t, string(said))
	s.migrates(after(t, read(t, "systemd/booking.service"), "ExecStartPre="))
	newSite(t).migrates(after(t, read(t, "systemd/booking-migrate.service"), "ExecStart="))
}

func TestCron(t *testing.T) {
	t.Parallel()
	text := read(t, "cron/booking")
	m := regexp.MustCompile(`(?m)^(?:[\d*/,-]+ ){5}booking (/.+)$`).FindStringSubmatch(text)
	require.NotNil(t, m, "five fields, the user and a command")
	assert.NotContains(t, m[1], "%", "cron takes it for a line break")
	s := newSite(t)
	code, said := s.run(m[1], "DATABASE_URL="+s.URL())
	assert.Zero(t, code)
	assert.Empty(t, said, "cron mails whatever is said")
	s.migrates(m[1])
}

func TestProcfile(t *testing.T) {
	t.Parallel()
	newSite(t).migrates(after(t, read(t, "procfile/Procfile"), "release:"))
}

func TestSSH(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.write("deploy.sh", s.local(read(t, "ssh/deploy.sh")))
	code, said := s.run("bash deploy.sh booking-host")
	assert.Zero(t, code, said)
	assert.Contains(t, said, "sudo systemctl restart booking")
	s.write("migrations/0002_fails.up.sql", "SELECT nope")
	code, said = s.run("bash deploy.sh booking-host")
	assert.Equal(t, 6, code)
	assert.NotContains(t, said, "sudo", "the old version goes on")
}

func TestAnsible(t *testing.T) {
	t.Parallel()
	var plays []struct {
		Tasks []struct {
			Command struct{ Cmd string } `json:"ansible.builtin.command"`
		}
	}
	parse(t, "ansible/migrate.yaml", &plays)
	newSite(t).migrates(plays[0].Tasks[0].Command.Cmd)
}

func TestGitLab(t *testing.T) {
	t.Parallel()
	var file struct{ Migrate struct{ Script []string } }
	parse(t, "gitlab-ci/.gitlab-ci.yml", &file)
	newSite(t).migrates(strings.Join(file.Migrate.Script, "\n"))
}

func TestCompose(t *testing.T) {
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
	newSite(t).migrates("migrator " + command)
}

// TestStartUp runs the image's entry point and command, with its variables.
func TestStartUp(t *testing.T) {
	t.Parallel()
	text := read(t, "startup/Containerfile")
	words := func(key string) string {
		var list []string
		require.NoError(t, yaml.Unmarshal([]byte(after(t, text, key)), &list))
		return strings.Join(list, " ")
	}
	s := newSite(t)
	command := "exec " + words("ENTRYPOINT") + " " + words("CMD")
	env := append(strings.Fields(after(t, text, "ENV")), "SHIPLOCK_SOURCE="+filepath.Join(s.dir, "migrations"))
	code, said := s.run(command, append(env, "DATABASE_URL="+s.URL())...)
	assert.Zero(t, code, said)
	assert.Contains(t, said, "the server, process")
	s.migrates(command, env...)
}

// step is one of the action, as the runner would run it: its scripts, and their
// environment. with are the inputs, of which some are given by the workflow.
func (s *site) step(workflow, job string, with map[string]string) (script string, env []string) {
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
	inputs := map[string]string{"github.action_ref": "v0.1.0"}
	for name, in := range action.Inputs {
		inputs[name] = in.Default
	}
	for _, given := range []map[string]string{file.Jobs[job].Steps[1].With, with} {
		for name, value := range given {
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
		assert.NotContains(s.t, step.Run, "${{", "an input in a script would be run")
		scripts = append(scripts, step.Run)
		for name, text := range step.Env {
			env = append(env, name+"="+value.ReplaceAllStringFunc(text, func(in string) string { return inputs[value.FindStringSubmatch(in)[1]] }))
		}
	}
	return strings.Join(scripts, "\n"), env
}

// TestGitHubAction runs the action's own steps.
func TestGitHubAction(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	script, env := s.step("github-actions/deploy.yaml", "deploy", map[string]string{"database-url": s.URL()})
	summary := filepath.Join(s.dir, "summary.md")
	s.migrates(script, env...)
	assert.Equal(t, 1, strings.Count(read(t, summary), "### Database migrations: "), "a success is not told unless it is asked for")
	_, said := s.run(script, append(env, "DATABASE_URL="+s.URL())...)
	assert.Regexp(t, `(?m)^::error file=migrations/0002_fails\.up\.sql,line=1,col=8,title=migration 0002_fails\.up\.sql failed; [^:]+::.*SQLSTATE 42703`, said)
}

// TestGitHubActionRehearses: one step, an annotation a finding, and the table.
func TestGitHubActionRehearses(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	script, env := s.step("github-actions/rehearse.yaml", "rehearse", map[string]string{"scratch-url": s.URL()})
	code, said := s.run(script, env...)
	require.Zero(t, code, said)
	assert.NotContains(t, said, "::error")
	s.write("migrations/0002_rooms.up.sql", "CREATE TABLE rooms (a int);\nCREATE INDEX i ON guests (email);")
	s.write("migrations/0002_rooms.down.sql", "DROP TABLE rooms;")
	s.write("migrations/0003_gone.up.sql", "SELECT 3")
	code, said = s.run(script, env...)
	assert.Equal(t, 6, code, said)
	var annotations []string
	for line := range strings.Lines(said) {
		if strings.HasPrefix(line, "::") {
			annotations = append(annotations, line)
		}
	}
	require.Len(t, annotations, 4, said)
	assert.Regexp(t, `^::notice file=migrations/0001_guests\.down\.sql,line=1,title=0001_guests\.down\.sql%3A data loss::the down script drops or deletes`, annotations[0])
	assert.Regexp(t, `^::notice file=migrations/0002_rooms\.down\.sql,line=1,`, annotations[1])
	assert.Regexp(t, `^::error file=migrations/0002_rooms\.down\.sql,line=1,title=0002_rooms\.down\.sql%3A schema not restored::.*%0A    index public\.i%0A      before  did not exist%0A      after   CREATE INDEX i`, annotations[2])
	assert.Regexp(t, `^::error file=migrations/0003_gone\.up\.sql,line=1,title=0003_gone\.up\.sql%3A missing down file::0003_gone\.down\.sql does not exist`, annotations[3])
	summary := read(t, filepath.Join(s.dir, "summary.md"))
	assert.Contains(t, summary, "### Rehearsal&#58; 3 migrations rehearsed, 2 faults\n\n| found | | at | |\n")
	assert.Contains(t, summary, "| schema not restored | **fault** | 0002&#95;rooms.down.sql&#58;1 | the down script does not restore the schema that existed before the up script |\n")
	assert.Equal(t, 4, strings.Count(summary, "| note |")+strings.Count(summary, "| **fault** |")-strings.Count(strings.SplitN(summary, "### Rehearsal&#58; 3", 2)[0], "| note |"))
}

// TestTheActionNamesTheVerbs that do something in CI.
func TestTheActionNamesTheVerbs(t *testing.T) {
	t.Parallel()
	var action struct {
		Inputs map[string]struct{ Description string }
	}
	parse(t, "../../action.yml", &action)
	_, said := newSite(t).run("migrator nonsense || true")
	m := regexp.MustCompile(`there are: ([a-z, ]+), create, install, version`).FindStringSubmatch(said)
	require.NotNil(t, m, said)
	assert.Equal(t, m[1], strings.Replace(action.Inputs["command"].Description, " or ", ", ", 1))
}
