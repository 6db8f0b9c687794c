package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/test/fixture"
)

// module is a module with every kind of result.
const module = `
-- go.mod --
module example.com/m

go 1.26.0
-- good/good_test.go --
package good

import ("testing"; "time")

func TestGood(t *testing.T) { t.Log("not shown") }

func TestSkip(t *testing.T) { t.Skip("no server:", "start one") }

func TestScenarios(t *testing.T) {
	t.Run("install", func(t *testing.T) { t.Parallel() })
	t.Run("upgrade", func(t *testing.T) { time.Sleep(300*time.Millisecond) })
}
-- empty/empty.go --
package empty
-- failing/failing_test.go --
package failing

import ("fmt"; "testing")

func TestFail(t *testing.T) {
	fmt.Println("printed")
	t.Run("sub", func(t *testing.T) { t.Error("expected 1") })
}

func TestGood(t *testing.T) { t.Log("not shown") }
-- broken/broken_test.go --
package broken

func TestBroken(t *testing.T) {}
-- panicking/panicking_test.go --
package panicking

import "testing"

func TestPanic(t *testing.T) { panic("at the disco") }
`

// seconds are the durations in go test's output.
var seconds = regexp.MustCompile(`\d+\.\d+s|\(cached\)`)

// inModule runs go test in a module with packages, once by this program and once directly.
func inModule(t *testing.T, flags []string, packages ...string) (code int, out, direct string) {
	t.Helper()
	t.Chdir(fixture.Files(t, module))
	t.Setenv("GOFLAGS", "-mod=mod")
	t.Setenv("GOWORK", "off")
	var b, errOut strings.Builder
	code, err := run(append(append(flags, "--"), packages...), &b, &errOut, time.Hour)
	require.NoError(t, err)
	text, err := exec.Command("go", append(append([]string{"test"}, flags...), packages...)...).CombinedOutput()
	if err != nil {
		require.IsType(t, &exec.ExitError{}, err)
	}
	return code, seconds.ReplaceAllString(b.String(), "0s"), seconds.ReplaceAllString(string(text), "0s")
}

func TestRun_Passing_PrintsGoTestsOutputAndSummary(t *testing.T) {
	code, out, direct := inModule(t, nil, "./good", "./empty")
	assert.Zero(t, code)
	for line := range strings.Lines(direct) {
		assert.Contains(t, out, line)
	}
	assert.Contains(t, out, "ok  \texample.com/m/good\t0s\n")
	_, summary, _ := strings.Cut(out, "\n\n")
	assert.Regexp(t, `^packages    1 passed, 1 without tests
tests       2 passed, 1 skipped; subtests: 0 passed
scenarios   2 passed
skipped     example.com/m/good TestSkip: no server: start one
time        \d+s
$`, summary)
	assert.NotContains(t, out, "not shown")
}

func TestRun_Verbose_PrintsEachTest(t *testing.T) {
	_, out, direct := inModule(t, []string{"-v"}, "./good")
	for line := range strings.Lines(direct) {
		assert.Contains(t, out, line)
	}
	assert.Contains(t, out, "=== RUN   TestGood\n")
}

func TestRun_Failing_PrintsOutputOfFailedTests(t *testing.T) {
	code, out, direct := inModule(t, nil, "./failing", "./good")
	assert.Equal(t, 1, code)
	for line := range strings.Lines(direct) {
		if line != "FAIL\n" {
			assert.Contains(t, out, strings.TrimSpace(line))
		}
	}
	assert.Contains(t, out, "packages    1 passed, 1 failed\ntests       3 passed, 1 failed, 1 skipped; subtests: 0 passed, 1 failed\n")
	assert.Contains(t, out, "failed      example.com/m/failing TestFail\n            example.com/m/failing TestFail/sub\n")
	assert.NotContains(t, out, "not shown")
}

func TestRun_BuildFails_PrintsCompilersError(t *testing.T) {
	code, out, _ := inModule(t, nil, "./broken", "./good")
	assert.Equal(t, 1, code)
	assert.Contains(t, out, "undefined: testing")
	assert.Contains(t, out, "FAIL\texample.com/m/broken [build failed]\n")
	assert.Contains(t, out, "failed      example.com/m/broken (before its first test)\n")
}

func TestRun_Panic_PrintsStack(t *testing.T) {
	code, out, _ := inModule(t, nil, "./panicking")
	assert.Equal(t, 1, code)
	assert.Contains(t, out, "panic: at the disco")
	assert.Contains(t, out, "failed      example.com/m/panicking TestPanic\n")
}

func TestRun_NoPackage_IsUsageError(t *testing.T) {
	for _, args := range [][]string{nil, {"-v"}, {"-v", "--"}} {
		code, err := run(args, &strings.Builder{}, &strings.Builder{}, time.Hour)
		assert.Equal(t, 2, code)
		assert.ErrorContains(t, err, "usage: ")
	}
}

func TestReportRunning_Silence_NamesTests(t *testing.T) {
	start := time.Now()
	var out strings.Builder
	s := newSummary(&out, false, 7, start)
	add := func(after time.Duration, action, test string) {
		s.add(fmt.Appendf(nil, `{"Action":%q,"Package":"github.com/shiplock/shiplock/internal/cli","Test":%q}`, action, test), start.Add(after))
	}
	s.reportRunning(start.Add(19*time.Second), 20*time.Second)
	assert.Empty(t, out.String(), "it is not silent yet")
	s.reportRunning(start.Add(20*time.Second), 20*time.Second)
	assert.Equal(t, "... 20s: 0 of 7 packages, compiling\n", out.String())

	out.Reset()
	add(25*time.Second, "run", "TestA")
	add(25*time.Second, "run", "TestA/sub")
	add(26*time.Second, "run", "TestB")
	add(26*time.Second, "pause", "TestB")
	add(27*time.Second, "run", "TestC")
	add(28*time.Second, "pass", "TestC")
	for _, name := range []string{"TestD", "TestE", "TestF"} {
		add(30*time.Second, "run", name)
	}
	s.reportRunning(start.Add(39*time.Second), 20*time.Second)
	assert.Empty(t, out.String())
	s.reportRunning(start.Add(65*time.Second), 20*time.Second)
	assert.Equal(t, "... 1m5s: 0 of 7 packages, running internal/cli TestA/sub (40s), internal/cli TestD (35s), internal/cli TestE (35s), 1 more tests\n", out.String())
}

// The reports reach a terminal while go test runs.
func TestRun_LongTest_IsReported(t *testing.T) {
	t.Chdir(fixture.Files(t, module))
	var out strings.Builder
	code, err := run([]string{"-count=1", "--", "./good"}, &out, &out, 20*time.Millisecond)
	require.NoError(t, err)
	assert.Zero(t, code)
	assert.Contains(t, out.String(), "running example.com/m/good TestScenarios/upgrade (")
}

// make test has to use this program, with the scenarios' name.
func TestMakefile_Test_RunsThisProgram(t *testing.T) {
	makefile, err := os.ReadFile(filepath.Join("..", "..", "Makefile"))
	require.NoError(t, err)
	assert.Regexp(t, `(?m)^test: .*\n(\t.*\n)*\tgo build .* \./hack/testsummary\n\t\$\(MAKE\) .* test-installed\n`, string(makefile))
	assert.Regexp(t, `(?m)^test-installed: .*\n\tbin/testsummary .*-- \$\(PACKAGES\)\n`, string(makefile))
	suite, err := os.ReadFile(filepath.Join("..", "..", "internal", "test", "e2e", "scenario_test.go"))
	require.NoError(t, err)
	assert.Contains(t, string(suite), "func "+strings.TrimSuffix(scenarios, "/")+"(")
}
