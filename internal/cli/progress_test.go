package cli_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestProgress_EachMode_Accepted(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t, map[string]string{"1_a.up.sql": "SELECT 1", "1_a.down.sql": ""})
	out := w.mustExit(2, "up", "--progress", "loud")
	assert.Contains(t, out.err, `--progress is "loud"; want auto, bar, log or none`)
	out = w.mustExit(0, "up", "--progress", "bar")
	assert.Len(t, out.records("", "level", "WARN"), 1, "must not fail")
	for _, choice := range []string{"auto", "log", "none"} {
		assert.Empty(t, w.mustExit(0, "up", "--progress", choice).records("", "level", "WARN"))
	}
}
