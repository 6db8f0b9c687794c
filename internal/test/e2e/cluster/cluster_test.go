package cluster

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestUnusable_EachState_HasReason(t *testing.T) {
	const image = "localhost/shiplock/node:1"
	tests := map[string]struct {
		engine string
		want   string
	}{
		"none":                        {`exit 1`, "there is none"},
		"stopped":                     {`echo false ` + image, "stopped"},
		"another image":               {`echo true localhost/shiplock/node:0`, "wanted is " + image},
		"killed while it was created": {`echo true ` + image, "never finished"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Setenv("SHIPLOCK_CACHE", t.TempDir())
			engine, _ := fakeEngine(t, tt.engine)
			c := newCluster(engine, Options{})
			require.ErrorContains(t, c.unusable(t.Context(), image), tt.want)
		})
	}
}

func TestSameImage_ShortName_Matches(t *testing.T) {
	assert.True(t, sameImage("registry.example/kindest/node:v1", "kindest/node:v1"))
	assert.True(t, sameImage("localhost/node:v1", "localhost/node:v1"))
	assert.False(t, sameImage("localhost/node:v1", "localhost/node:v2"))
	assert.False(t, sameImage("localhost/mynode:v1", "node:v1"))
}

// A kubeconfig marks a complete cluster, so it must be removed before the node.
func TestRemove_Kubeconfig_IsRemovedFirst(t *testing.T) {
	t.Setenv("SHIPLOCK_CACHE", t.TempDir())
	engine, _ := fakeEngine(t, "exit 1")
	c := newCluster(engine, Options{Name: "some"})
	require.NoError(t, os.MkdirAll(c.dir(), 0o755))
	require.NoError(t, os.WriteFile(c.Kubeconfig, nil, 0o600))
	require.Error(t, c.remove(t.Context()))
	assert.NoFileExists(t, c.Kubeconfig)
}

func TestRemove_Volumes_AreRemoved(t *testing.T) {
	t.Setenv("SHIPLOCK_CACHE", t.TempDir())
	engine, log := fakeEngine(t, `case "$1 $2" in "ps --all") echo node1 ;; "volume ls") echo v1; echo v2 ;; esac`)
	require.NoError(t, newCluster(engine, Options{Name: "some"}).remove(t.Context()))
	text, err := os.ReadFile(log)
	require.NoError(t, err)
	assert.Contains(t, string(text), "rm --force --volumes node1\n")
	assert.Contains(t, string(text), "volume ls --quiet --filter label=some-control-plane\nvolume rm v1 v2\n")
}

func TestTail_LongText_LastLines(t *testing.T) {
	assert.Equal(t, "b\nc", tail("a\nb\nc\n", 2))
	assert.Equal(t, "a", tail("a\n", 5))
}

func TestDiagnose_KindOutput_IsWritten(t *testing.T) {
	t.Setenv("SHIPLOCK_CACHE", t.TempDir())
	engine, _ := fakeEngine(t, `case "$*" in *kubelet) printf '\033[31mno such cgroup\033[0m\n' ;; *containerd) echo unseen >&2; exit 1 ;; esac`)
	c := newCluster(engine, Options{Name: "some"})
	log := &kindLog{progress: io.Discard}
	log.V(3).Info("output of kubeadm")
	cause := errors.New("kubeadm init")
	err := c.diagnose(cause, log)
	require.ErrorIs(t, err, cause)
	assert.ErrorContains(t, err, "== --unit=kubelet\nno such cgroup\n")
	all, readErr := os.ReadFile(filepath.Join(c.dir(), "failure.log"))
	require.NoError(t, readErr)
	assert.Contains(t, string(all), "output of kubeadm")
	assert.Contains(t, string(all), "unseen")
	assert.ErrorContains(t, err, "failure.log")
}
