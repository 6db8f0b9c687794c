package cluster

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestNodeImage_Requested_IsUsed(t *testing.T) {
	t.Setenv("SHIPLOCK_NODE_IMAGE", "localhost/mine:1")
	engine, log := fakeEngine(t, "exit 1")
	image, err := engine.nodeImage(t.Context(), io.Discard)
	require.NoError(t, err)
	assert.Equal(t, "localhost/mine:1", image)
	assert.NoFileExists(t, log, "the engine is not used")
}

func TestObtain_EachEngine_Image(t *testing.T) {
	tests := map[string]struct {
		engine string // a script
		want   string
		calls  []string
	}{
		"present":   {`exit 0`, "public:1", []string{"image"}},
		"pullable":  {`[ "$1" != image ]`, "public:1", []string{"image", "manifest", "pull"}},
		"own image": {`exit 1`, "own node", []string{"image", "manifest"}},
		"timed out": {`[ "$1" != image ] && kill $$`, "own node", []string{"image", "manifest"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Setenv("SHIPLOCK_CACHE", t.TempDir())
			inCheckout(t, `echo "own $1"`)
			engine, log := fakeEngine(t, tt.engine)
			image, err := obtainAs(t, engine)
			require.NoError(t, err)
			assert.Equal(t, tt.want, image)
			assert.Equal(t, tt.calls, calls(t, log))
		})
	}
}

func TestObtain_UnreachableRegistry_IsRemembered(t *testing.T) {
	t.Setenv("SHIPLOCK_CACHE", t.TempDir())
	inCheckout(t, `echo own`)
	engine, log := fakeEngine(t, "exit 1")
	for range 2 {
		_, err := obtainAs(t, engine)
		require.NoError(t, err)
	}
	assert.Equal(t, []string{"image", "manifest", "image"}, calls(t, log))
}

func TestBuildOwn_Failure_HasReason(t *testing.T) {
	t.Setenv("SHIPLOCK_CACHE", t.TempDir())
	inCheckout(t, `echo "missing mmdebstrap" >&2; exit 1`)
	engine, _ := fakeEngine(t, "exit 1")
	_, err := obtainAs(t, engine)
	require.ErrorContains(t, err, "missing mmdebstrap")
}

func obtainAs(t *testing.T, engine *Engine) (string, error) {
	return engine.obtain(t.Context(), "public:1", "node", io.Discard)
}

// inCheckout changes to a checkout whose hack/node is a script.
func inCheckout(t *testing.T, script string) {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, nodeBuild)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\n"+script+"\n"), 0o755))
	t.Chdir(dir)
}

// calls returns the first words of the fake engine's arguments.
func calls(t *testing.T, log string) []string {
	t.Helper()
	text, err := os.ReadFile(log)
	require.NoError(t, err)
	var words []string
	for line := range strings.Lines(string(text)) {
		words = append(words, strings.Fields(line)[0])
	}
	return words
}
