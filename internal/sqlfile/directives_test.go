package sqlfile

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestDirectives(t *testing.T) {
	for text, want := range map[string]Directives{
		"SELECT 1":                           {},
		"-- shiplock:no-transaction\nVACUUM": {NoTransaction: true},
		"-- why\n\n--shiplock:min-compatible-version 7\r\n-- shiplock:irreversible\nDROP TABLE a": {MinCompatibleVersion: 7, Irreversible: true},
		"-- shiplock:min-compatible-version   20260101000000":                                     {MinCompatibleVersion: 20260101000000},
		"SELECT 1;\n-- shiplock:irreversible":                                                     {}, // a mere comment
	} {
		d, err := ReadDirectives(text)
		require.NoError(t, err, text)
		assert.Equal(t, want, d, text)
	}
	for text, want := range map[string]string{
		"\n-- shiplock:min-compatible-version":                   `:2: "shiplock:min-compatible-version": want the oldest version`,
		"-- shiplock:min-compatible-version v7":                  "want the oldest version",
		"-- shiplock:min-compatible-version 0":                   "want the oldest version",
		"-- shiplock:min-compatible-version -1":                  "want the oldest version",
		"-- shiplock:min-compatible-version 7 8":                 "want the oldest version",
		"-- shiplock:min-compatible-version 9999999999999999999": "want the oldest version",
		"-- shiplock:irreversibel":                               `unknown directive "shiplock:irreversibel"; want -- shiplock:no-transaction, -- shiplock:min-compatible-version N, -- shiplock:irreversible or -- shiplock:allow RULE: reason`,
		"-- shiplock:irreversible, for now":                      "unknown directive",
	} {
		_, err := ReadDirectives(text)
		assert.ErrorContains(t, err, want, text)
	}
}

func FuzzDirectives(f *testing.F) {
	for _, header := range []string{"-- shiplock:no-transaction\n", "--shiplock:no-transaction\r\n", "-- a\n\n--\tshiplock:x\n", "/* */-- shiplock:y", "- - shiplock:",
		"-- shiplock:min-compatible-version 7\n", "-- shiplock:irreversible"} {
		f.Add(header)
	}
	f.Fuzz(func(t *testing.T, header string) {
		d, err := ReadDirectives(header)
		if err != nil {
			var unusable *Error
			require.ErrorAs(t, err, &unusable)
			line := strings.Split(header, "\n")[unusable.Line-1]
			assert.Contains(t, line, "shiplock:")
			assert.True(t, strings.HasPrefix(strings.TrimSpace(line), "--"))
			return
		}
		assert.False(t, d.NoTransaction && !strings.Contains(header, NoTransaction))
		again, err := ReadDirectives("-- more\n\n" + header)
		require.NoError(t, err)
		assert.Equal(t, d, again, "a comment above changes nothing")
		below, err := ReadDirectives("SELECT 1;\n" + header)
		require.NoError(t, err)
		assert.Zero(t, below, "below a statement it is a mere comment")
	})
}
