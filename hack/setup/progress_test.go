package setup

import (
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/test/terminal"
)

// script shows progress as if the step had started ten seconds before.
const script = `source ../progress.sh
progress_start "a step"
SECONDS=$((SECONDS + 10))
progress 20 80 packages
`

func TestProgress_Log_HasLineWithCountAndTimeLeft(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("bash", "-euc", script+"progress 21 80 packages\nSECONDS=$((SECONDS + 10))\nprogress '' '' 'no count'\nprogress_end").CombinedOutput()
	require.NoError(t, err)
	lines := strings.Split(string(out), "\n")
	require.Len(t, lines, 3, "a line every ten seconds: %s", out)
	assert.Regexp(t, `^a step: 20 of 80 packages, 3\ds left$`, lines[0])
	assert.Regexp(t, `^a step: no count, 2\ds$`, lines[1])
}

func TestProgress_Terminal_ShowsBarAndRemovesIt(t *testing.T) {
	t.Parallel()
	screen := terminal.New(t, 80, 10)
	cmd := exec.Command("bash", "-euc", script+"read -r\nprogress_end")
	input, err := cmd.StdinPipe()
	require.NoError(t, err)
	cmd.Env = append(cmd.Environ(), "TERM=xterm")
	cmd.Stderr = screen.Device
	require.NoError(t, cmd.Start())
	require.Eventually(t, func() bool {
		return strings.HasPrefix(screen.Text(), "[#####...............] 25%  a step: 20 of 80 packages, 3")
	}, time.Minute, 10*time.Millisecond)
	_, err = input.Write([]byte("\n"))
	require.NoError(t, err)
	require.NoError(t, cmd.Wait())
	require.Eventually(t, func() bool { return screen.Text() == "" }, time.Minute, 10*time.Millisecond)
}

// hack/node's steps show how many packages of a build are compiled.
func TestProgress_NodeBuild_CountsPackages(t *testing.T) {
	t.Parallel()
	cache := t.TempDir()
	cmd := exec.Command("bash", "-euo", "pipefail", "-c", `cd ../node; mkdir -p "$SHIPLOCK_CACHE/node/logs"
source ./steps.sh; source ./programs.sh
program pause; cat "$cache/logs/$(basename "$program").log.expected"; test -x "$program/pause"`)
	cmd.Env = append(cmd.Environ(), "SHIPLOCK_CACHE="+cache, "SHIPLOCK_ENGINE=podman")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	assert.Regexp(t, `hack/node: pause-[0-9a-f]{12} \d+s\n\d+ packages\n$`, string(out))
}
