package dsn

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/test/pgtest"
)

func TestMaskingWriter(t *testing.T) {
	pgtest.UnsetVariables(t)
	d, err := Parse("postgres://app:hunter2%20x@db/shop")
	require.NoError(t, err)
	for text, want := range map[string]string{
		"":                                 "",
		"nothing to hide, hunter":          "nothing to hide, hunter",
		"hunter2 x":                        "xxxxx",
		"hunhunter2 xhunter2 x\nhunter2\n": "hunxxxxxxxxxx\nhunter2\n",
		"PGPASSWORD='hunter2 x' hunter2+x hunter2%20x": "PGPASSWORD='xxxxx' xxxxx xxxxx",
		"\xff\x00hunter2 x\xfe":                        "\xff\x00xxxxx\xfe",
	} {
		for _, size := range []int{1, 2, 3, 100} {
			var out bytes.Buffer
			m := d.NewMaskingWriter(&out)
			for rest := []byte(text); len(rest) > 0; rest = rest[min(size, len(rest)):] {
				_, err := m.Write(rest[:min(size, len(rest))])
				require.NoError(t, err)
			}
			require.NoError(t, m.Flush())
			assert.Equal(t, want, out.String(), "%q in pieces of %d", text, size)
		}
	}
	d, err = Parse("postgres://postgres:postgres@db/shop")
	require.NoError(t, err)
	var out bytes.Buffer
	_, err = d.NewMaskingWriter(&out).Write([]byte("postgres is the user"))
	require.NoError(t, err)
	assert.Equal(t, "postgres is the user", out.String())
}
