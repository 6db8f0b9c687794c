package bench

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A sample is the measurement of one run of a program.
type sample struct {
	wall, cpu time.Duration
	memory    int64 // bytes, peak resident
	code      int
	output    string // both streams
}

// run measures a program from its start to its end.
func run(t *testing.T, cmd *exec.Cmd) sample {
	t.Helper()
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	measured := exec.Command(binaries.measure, append([]string{cmd.Path}, cmd.Args[1:]...)...)
	measured.Env, measured.Dir, measured.ExtraFiles = cmd.Env, cmd.Dir, []*os.File{w}
	var output bytes.Buffer
	measured.Stdout, measured.Stderr = &output, &output
	err = measured.Run()
	require.NoError(t, w.Close())
	require.NoErrorf(t, err, "%s: %s", cmd, output.String())
	line, err := io.ReadAll(r)
	require.NoError(t, err)
	var wall, user, system, kilobytes int64
	s := sample{output: output.String()}
	_, err = fmt.Sscan(string(line), &wall, &user, &system, &kilobytes, &s.code)
	require.NoErrorf(t, err, "%q", line)
	s.wall, s.cpu, s.memory = time.Duration(wall)*time.Microsecond, time.Duration(user+system)*time.Microsecond, kilobytes<<10
	return s
}

// mustRun runs a program that must succeed.
func mustRun(t *testing.T, cmd *exec.Cmd) sample {
	t.Helper()
	s := run(t, cmd)
	require.Zerof(t, s.code, "%s: %s", cmd, s.output)
	return s
}

// lastLine returns the last line of a program's output, for a table's cell.
func (s sample) lastLine() string {
	lines := strings.Split(strings.TrimSpace(s.output), "\n")
	line := strings.NewReplacer("|", "/", "`", "'").Replace(lines[len(lines)-1])
	if len(line) > 120 {
		line = line[:120] + "…"
	}
	return line
}

// median returns the median of a value of several samples.
func median[T, V any](samples []T, of func(T) V, less func(a, b V) int) V {
	var all []V
	for _, s := range samples {
		all = append(all, of(s))
	}
	slices.SortFunc(all, less)
	return all[len(all)/2]
}

func medianWall(samples []sample) time.Duration {
	return median(samples, func(s sample) time.Duration { return s.wall }, compare)
}

func medianCPU(samples []sample) time.Duration {
	return median(samples, func(s sample) time.Duration { return s.cpu }, compare)
}

func maxMemory(samples []sample) int64 {
	return slices.MaxFunc(samples, func(a, b sample) int { return compare(a.memory, b.memory) }).memory
}

func compare[T int | int64 | time.Duration | float64](a, b T) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// cell returns a value with its ratio to a base value, for a table's cell.
func cell[T int64 | time.Duration](v, base T, show func(T) string) string {
	if base == 0 {
		return show(v)
	}
	return fmt.Sprintf("%s (%s)", show(v), times(float64(v)/float64(base)))
}

func times(ratio float64) string { return fmt.Sprintf("%.2f ×", ratio) }

func seconds(d time.Duration) string {
	if d < 100*time.Millisecond {
		return fmt.Sprintf("%.1f ms", d.Seconds()*1000)
	}
	return fmt.Sprintf("%.2f s", d.Seconds())
}

func megabytes(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }
