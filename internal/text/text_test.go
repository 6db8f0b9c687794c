package text

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestClean_HostileText_ShowsInvisibleCharacters(t *testing.T) {
	t.Parallel()
	const hostile = "a\tb\r\n\x1b[1A\u2028x\u202e\u0085\u2066\x00\ue000  é漢👩\u200d💻\xff"
	assert.Equal(t, "a b\uFFFD\n\uFFFD[1A\uFFFDx\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD  é漢👩\u200d💻\uFFFD", Clean(hostile))
	assert.Equal(t, "a b  \uFFFD[1A\uFFFDx\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD  é漢👩\uFFFD💻\uFFFD", CleanLine(hostile))
	assert.Equal(t, "a b [1A x é漢👩\u200d💻\uFFFD", OneLine(hostile))
	assert.Equal(t, "ab[1Ax  é漢👩💻\uFFFD", Replace(hostile, -1, nil))
	assert.Equal(t, "", Clean("")+CleanLine("")+OneLine("\n"))
}

func TestWidth_WideAndCombiningCharacters_CountsColumns(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]int{
		"": 0, "abc": 3, "é": 1, "e\u0301": 1, "漢字": 4, "ｗ": 2, "…": 1, "→": 1, "👩\u200d💻": 2, "🇪🇺": 2, "\u200b": 0, "한": 2, "ы": 1,
	} {
		assert.Equal(t, want, Width(s), "%q", s)
	}
}

func TestTruncate_Columns_CutsBetweenCharacters(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		s       string
		columns int
		want    string
	}{
		{"abc", 5, "abc"}, {"abc", 3, "abc"}, {"abc", 2, "ab"}, {"abc", 0, ""}, {"漢字漢", 5, "漢字"}, {"漢字", 1, ""}, {"e\u0301x", 1, "e\u0301"}, {"x👩\u200d💻y", 2, "x"}, {"", 0, ""},
	} {
		assert.Equal(t, c.want, Truncate(c.s, c.columns), "%q", c.s)
	}
}

func TestClip_Bytes_CutsBetweenCharacters(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		s    string
		n    int
		want string
	}{
		{"abc", 3, "abc"}, {"abcdef", 5, "ab…"}, {"ééééé", 8, "éé…"}, {"ééééé", 9, "ééé…"}, {"abcdef", 0, "…"},
	} {
		assert.Equal(t, c.want, Clip(c.s, c.n), "%q", c.s)
	}
}

func TestPlural_Number_SelectsForm(t *testing.T) {
	t.Parallel()
	assert.Equal(t, []string{"0 rows", "1 row", "2 rows"}, []string{Plural(0, "row"), Plural(1, "row"), Plural(2, "row")})
}

func TestBytes_Size_SelectsUnit(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{0: "0 B", 999: "999 B", 1000: "1.0 kB", 1_536_000: "1.5 MB", 150_000_000: "150 MB", 2_000_000_000: "2.0 GB", 3e15: "3000 TB"} {
		assert.Equal(t, want, Bytes(n))
	}
}
