package cluster

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestChoose_EachEngine_FirstThatWorks(t *testing.T) {
	tests := map[string]struct {
		works map[string]bool
		want  string
	}{
		"docker first":                   {map[string]bool{"docker": true, "podman": true}, "docker"},
		"a docker without a daemon":      {map[string]bool{"podman": true}, "podman"},
		"docker alone":                   {map[string]bool{"docker": true}, "docker"},
		"neither, and both are reported": {nil, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := choose(t.Context(), func(_ context.Context, name string) error {
				if tt.works[name] {
					return nil
				}
				return errors.New("no " + name)
			})
			assert.Equal(t, tt.want, got)
			if tt.want == "" {
				require.ErrorContains(t, err, "docker: no docker")
				require.ErrorContains(t, err, "podman: no podman")
				require.ErrorContains(t, err, "hack/setup.sh engine")
			}
		})
	}
}

func TestContainersConf_EachHost_Settings(t *testing.T) {
	const refused = "[containers]\ndefault_ulimits = [\"nofile=20000:20000\", \"nproc=32768:32768\"]\n"
	tests := map[string]struct {
		host host
		want string
	}{
		"an ordinary host": {host{mayRaiseLimits: true, files: 20000, procs: 96365}, ""},
		"limits stay":      {host{files: 20000, procs: 96365}, refused + "[engine]\nevents_logger = \"file\"\n"},
		"a small nproc": {host{files: 1024, procs: 4096},
			"[containers]\ndefault_ulimits = [\"nofile=1024:1024\", \"nproc=2048:2048\"]\n[engine]\nevents_logger = \"file\"\n"},
		"limits stay, and crun refuses": {host{files: 20000, procs: 96365, hybrid: true, runc: true},
			refused + "[engine]\nevents_logger = \"file\"\nruntime = \"runc\"\n"},
		"crun refuses and there is no runc": {host{mayRaiseLimits: true, hybrid: true}, "[engine]\nevents_logger = \"file\"\n"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) { assert.Equal(t, tt.want, containersConf(tt.host)) })
	}
}

func TestConfigurePodman_CallersChoice_IsKept(t *testing.T) {
	t.Setenv("CONTAINERS_CONF", "/their/own.conf")
	t.Setenv("SHIPLOCK_CACHE", t.TempDir())
	require.NoError(t, configurePodman())
	assert.Equal(t, "/their/own.conf", os.Getenv("CONTAINERS_CONF"))
	assert.NoFileExists(t, filepath.Join(CacheDir(), "containers.conf"))
}

func TestHasCapability_Status_IsRead(t *testing.T) {
	const without = "Name:\tcat\nCapPrm:\t000001ffffffffff\nCapEff:\t000001fffeffffff\n"
	assert.False(t, hasCapability(without, 24))
	assert.True(t, hasCapability(without, 23))
	assert.False(t, hasCapability("Name:\tcat\n", 24))
}

func TestCacheDir_Variables_Precedence(t *testing.T) {
	t.Setenv("HOME", "/home/me")
	t.Setenv("XDG_CACHE_HOME", "")
	t.Setenv("SHIPLOCK_CACHE", "")
	assert.Equal(t, "/home/me/.cache/shiplock", CacheDir())
	t.Setenv("XDG_CACHE_HOME", "/xdg")
	assert.Equal(t, "/xdg/shiplock", CacheDir())
	t.Setenv("SHIPLOCK_CACHE", "/cache")
	assert.Equal(t, "/cache", CacheDir())
}

func TestLock_SecondProcess_Waits(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deep", "lock")
	unlock, err := lock(path)
	require.NoError(t, err)
	second := make(chan func())
	go func() {
		unlock, err := lock(path)
		assert.NoError(t, err)
		second <- unlock
	}()
	select {
	case <-second:
		t.Fatal("two held the lock at once")
	case <-time.After(50 * time.Millisecond):
	}
	unlock()
	(<-second)()
}

// fakeEngine returns a script as the engine, and the file to which it writes its arguments.
func fakeEngine(t *testing.T, body string) (e *Engine, log string) {
	t.Helper()
	dir := t.TempDir()
	log = filepath.Join(dir, "log")
	path := filepath.Join(dir, "engine")
	script := "#!/bin/sh\necho \"$*\" >>" + log + "\n" + body + "\n"
	require.NoError(t, os.WriteFile(path, []byte(script), 0o755))
	return &Engine{Name: path}, log
}
