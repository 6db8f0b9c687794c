package cluster

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The format of containerd's ctr.
const listing = `REF TYPE DIGEST SIZE PLATFORMS LABELS
localhost/a:1 application/vnd.docker.distribution.manifest.v2+json sha256:99b2 1.2 MiB linux/amd64 io.cri-containerd.image=managed,shiplock.image-id=aaaa
localhost/b:1 application/vnd.docker.distribution.manifest.v2+json sha256:77c1 1.2 MiB linux/amd64 io.cri-containerd.image=managed
localhost/c:1 application/vnd.docker.distribution.manifest.v2+json sha256:5511 1.2 MiB linux/amd64 -
`

func TestLoadedIDs_Output_IsParsed(t *testing.T) {
	assert.Equal(t, map[string]string{"localhost/a:1": "aaaa"}, loadedIDs(listing))
	assert.Empty(t, loadedIDs(""))
}

func TestLoad_MissingImages_AreLoaded(t *testing.T) {
	engine, log := fakeEngine(t, `case "$*" in
image*) echo sha256:aaaa; echo bbbb ;;
*"images list") echo 'localhost/a:1 type digest 1 MiB linux/amd64 shiplock.image-id=aaaa' ;;
*"images import"*) cat >/dev/null ;;
esac`)
	c := &Cluster{Name: "some", Engine: engine}
	require.NoError(t, c.Load(t.Context(), "localhost/a:1", "localhost/b:1"))
	text, err := os.ReadFile(log)
	require.NoError(t, err)
	assert.Contains(t, string(text), "save localhost/b:1\n")
	assert.Contains(t, string(text), "images label localhost/b:1 shiplock.image-id=bbbb\n")
	assert.NotContains(t, string(text), "label localhost/a:1")
}

func TestLoad_EachFailure_IsReported(t *testing.T) {
	tests := map[string]struct{ engine, want string }{
		"not built":      {`echo "no such image" >&2; exit 1`, "no such image"},
		"ids missing":    {`case "$1" in image) echo one; exit ;; esac`, "1 ids for 2 images"},
		"save breaks":    {`case "$1" in image) echo 1; echo 2 ;; save) echo "disk full" >&2; exit 1 ;; esac; exit 0`, "disk full"},
		"import refuses": {`case "$*" in image*) echo 1; echo 2 ;; *import*) echo "bad tar" >&2; exit 1 ;; save*) yes ;; esac`, "bad tar"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			engine, _ := fakeEngine(t, tt.engine)
			c := &Cluster{Name: "some", Engine: engine}
			require.ErrorContains(t, c.Load(t.Context(), "localhost/a:1", "localhost/b:1"), tt.want)
		})
	}
}
