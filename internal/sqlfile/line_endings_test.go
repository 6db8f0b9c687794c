package sqlfile

import (
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestMatchLineEndings_OnlyLineEndingsDiffer_Recognized(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 4095) // the reader's buffer ends between CR and LF
	for name, c := range map[string]struct {
		ran, now string
		withText bool
		want     LineEndings // none: the text differs
	}{
		"LF ran":                     {"SELECT 'a\nb';\n", "SELECT 'a\r\nb';\r\n", false, LF},
		"CRLF ran":                   {"SELECT 'a\r\nb';\r\n", "SELECT 'a\nb';\n", false, CRLF},
		"a function body":            {"DO $$\nBEGIN\nEND $$;", "DO $$\r\nBEGIN\r\nEND $$;", false, LF},
		"a quoted name":              {"SELECT 1 AS \"a\nb\";", "SELECT 1 AS \"a\r\nb\";", false, LF},
		"LF ran, both now":           {"SELECT 'a\nb\nc';", "SELECT 'a\r\nb\nc';", false, LF},
		"both ran":                   {"SELECT 'a\nb\r\nc';", "SELECT 'a\nb\nc';", true, MixedLineEndings},
		"both ran, CRLF now":         {"SELECT 'a\nb\r\nc';", "SELECT 'a\r\nb\r\nc';", true, MixedLineEndings},
		"both ran, and another word": {"SELECT 'a\nb\r\nc';", "SELECT 'a\nb\nd';", true, ""},
		"both ran, text not kept":    {"SELECT 'a\nb\r\nc';", "SELECT 'a\nb\nc';", false, ""},
		"another word":               {"SELECT 'a\nb';", "SELECT 'a\r\nc';", true, ""},
		"a line break more":          {"SELECT 'a\nb';", "SELECT 'a\r\n\r\nb';", true, ""},
		"a return that is no ending": {"SELECT 'a\nb';", "SELECT 'a\rb';", true, ""},
		"a comment beside it":        {"SELECT 'a\nb';", "-- why\r\nSELECT 'a\r\nb';", false, LF},
		"over a buffer's end":        {"SELECT '" + long[8:] + "\nb" + long + "\n" + long + "';", "SELECT '" + long[8:] + "\r\nb" + long + "\r\n" + long + "';", false, LF},
		"not SQL":                    {"SELECT 'a\nb", "SELECT 'a\r\nb", false, LF},
		"without a last line break":  {"SELECT 'a\nb'", "SELECT 'a\r\nb'", false, LF},
		"a return at the end":        {"SELECT 'a\nb\n\r", "SELECT 'a\r\nb\r\n\r", false, LF},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sum, err := Checksum(opener(c.ran))
			require.NoError(t, err)
			changed, err := Checksum(opener(c.now))
			require.NoError(t, err)
			require.NotEqual(t, sum, changed, "the line endings count")
			text := ""
			if c.withText {
				text = c.ran
			}
			got, same, err := MatchLineEndings(opener(c.now), sum, text)
			require.NoError(t, err)
			assert.Equal(t, c.want != "", same)
			if same {
				assert.Equal(t, c.want, got)
			}
		})
	}
}

func opener(text string) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil }
}

func TestMatchLineEndings_ReadFails_ReturnsError(t *testing.T) {
	t.Parallel()
	_, _, err := MatchLineEndings(func() (io.ReadCloser, error) {
		return io.NopCloser(io.MultiReader(strings.NewReader("SELECT 1;\r\n"), iotest.ErrReader(io.ErrClosedPipe))), nil
	}, "", "")
	assert.ErrorIs(t, err, io.ErrClosedPipe)
}

// FuzzLineEndings compares the reader with strings.ReplaceAll.
func FuzzLineEndings(f *testing.F) {
	f.Add("a\r\nb\nc\r\r\n\r")
	f.Add(strings.Repeat("x", 4095) + "\r\n" + strings.Repeat("y", 4095) + "\r" + strings.Repeat("\r", 4096) + "\n")
	f.Fuzz(func(t *testing.T, text string) {
		unix := strings.ReplaceAll(text, "\r\n", "\n")
		for endings, want := range map[LineEndings]string{LF: unix, CRLF: strings.ReplaceAll(unix, "\n", "\r\n")} {
			file, err := withLineEndings(opener(text), endings)()
			require.NoError(t, err)
			got, err := io.ReadAll(iotest.OneByteReader(file))
			require.NoError(t, err)
			assert.Equal(t, want, string(got))
			require.NoError(t, file.Close())
		}
	})
}
